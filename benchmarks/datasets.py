"""The data sets, scaled, as float32 or float64, dense or CSR.

Real ones come from a folder that the user names; where a file is missing, the set is named as
skipped and, if nothing real is left of its kind, generated sets of the same shape take its place.
Everything is scaled in double precision and then cast, so that float64 data is honest float64 data
(not float32 values in wide cells). Nothing is written to disk.
"""

from collections import namedtuple
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp

Dataset = namedtuple("Dataset", "name X y")


def standardised(X):
    X = np.asarray(X, dtype=np.float64)
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


# -- real sets: one function each, from the folder to (X, y) -----------------------------------


def arrays(folder, name):
    return np.load(folder / f"{name}.npz")


def csr(folder, name):
    raw = arrays(folder, name)
    parts = raw["data"], raw["indices"], raw["indptr"]
    return sp.csr_matrix(parts, shape=tuple(raw["shape"])), raw["y"]


def mnist(folder):
    """Odd against even digits."""
    raw = arrays(folder, "mnist")
    return raw["X"] / 255.0, raw["y"] % 2


def adult_dense(folder):
    raw = arrays(folder, "adult_dense")
    return standardised(raw["X"]), raw["y"]


def skin(folder):
    raw = arrays(folder, "skin")
    return standardised(raw["X"]), raw["y"]


def covtype_20k(folder):
    """The most common kind of forest in the full set against the rest."""
    raw = arrays(folder, "covtype_20k")
    return standardised(raw["X"]), raw["y"] == 2


def beijing_pm25(folder):
    """Above the median or not."""
    raw = arrays(folder, "beijing_pm25")
    return standardised(raw["X"]), raw["y"] > np.median(raw["y"])


def flights_onehot(folder):
    """Eight ones a row."""
    return csr(folder, "flights_onehot")


def imdb_tfidf(folder):
    """Long rows: about 135 words each."""
    import pandas
    from sklearn.feature_extraction.text import TfidfVectorizer

    reviews = pandas.read_parquet(folder / "imdb.parquet")
    return TfidfVectorizer(min_df=10).fit_transform(reviews["text"]), reviews["label"].to_numpy()


def mnist_10(folder):
    raw = arrays(folder, "mnist")
    return raw["X"] / 255.0, raw["y"]


def letter_26(folder):
    raw = arrays(folder, "letter")
    return raw["X"] / 15.0, raw["y"]


def covtype_7(folder):
    raw = arrays(folder, "covtype_20k")
    return standardised(raw["X"]), raw["y"]


def imdb_hashed(folder):
    """The words' hashes as columns, 2^18 of them."""
    import pandas
    from sklearn.feature_extraction.text import HashingVectorizer

    reviews = pandas.read_parquet(folder / "imdb.parquet")
    X = HashingVectorizer(n_features=1 << 18).fit_transform(reviews["text"])
    return X, reviews["label"].to_numpy()


def w8a(folder):
    return csr(folder, "w8a")


def a9a(folder):
    return csr(folder, "a9a")


def adult_raw(folder):
    """Not standardised: for pipelines that do this themselves."""
    raw = arrays(folder, "adult_dense")
    return raw["X"], raw["y"]


def beijing_regression(folder):
    raw = arrays(folder, "beijing_pm25")
    return standardised(raw["X"]), standardised(raw["y"])


def fremtpl2freq(folder):
    """Claims per policy, most of them none."""
    raw = arrays(folder, "fremtpl2freq")
    return standardised(raw["X"]), standardised(raw["y"])


def california(folder):
    raw = arrays(folder, "california")
    return standardised(raw["X"]), standardised(raw["y"])


def bike(folder):
    raw = arrays(folder, "bike")
    return standardised(raw["X"]), standardised(raw["y"])


def flights_regression(folder):
    """Late or not, as a number."""
    X, y = flights_onehot(folder)
    return X, standardised(y)


def unscaled(name, target=lambda y: y):
    """X as the source has it."""

    def load(folder):
        raw = arrays(folder, name)
        return raw["X"], target(raw["y"])

    load.__name__ = f"{name}_unscaled"
    return load


mnist_unscaled = unscaled("mnist", lambda y: y % 2)
adult_unscaled = unscaled("adult_dense")
covtype_unscaled = unscaled("covtype_20k", lambda y: y == 2)
skin_unscaled = unscaled("skin")
letter_unscaled = unscaled("letter")
beijing_unscaled = unscaled("beijing_pm25", np.float64)
fremtpl2freq_unscaled = unscaled("fremtpl2freq", np.float64)
california_unscaled = unscaled("california", np.float64)
bike_unscaled = unscaled("bike", np.float64)


# -- bundled and generated sets ------------------------------------------------------------------


def digits(folder=None):
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X / 16.0, y % 2


def digits_10(folder=None):
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X / 16.0, y


def breast_cancer_unscaled(folder=None):
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(return_X_y=True)


def breast_cancer(folder=None):
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return standardised(X), y


def diabetes(folder=None):
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return standardised(X), standardised(y)


def dense(n, d, noise=1.0, seed=0, dtype=np.float64):
    """Gaussian features, labels from a noisy random direction."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d), dtype=dtype)
    signal = X @ rng.standard_normal(d, dtype=dtype) / np.sqrt(d)
    return X, signal + noise * rng.standard_normal(n) > 0


def dense_classes(n, d, classes, seed=0):
    """As `dense`, the class being the direction that a row points along most."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    signal = X @ rng.standard_normal((d, classes)) / np.sqrt(d)
    return X, np.argmax(signal + rng.standard_normal((n, classes)), axis=1)


def sparse(n, d, per_row, seed=0):
    """About ``per_row`` columns a row, some far more common than others, as words are."""
    rng = np.random.default_rng(seed)
    columns = np.sort((d * rng.random((n, per_row)) ** 3).astype(np.int32), axis=1)
    values = rng.random(columns.size) + 0.5
    X = sp.csr_matrix((values, columns.ravel(), np.arange(0, columns.size + 1, per_row)), (n, d))
    X.sum_duplicates()
    return X, X @ rng.standard_normal(d) > 0


def generated(make, *shape):
    return lambda folder=None: make(*shape)


REAL = {
    "dense": [mnist, adult_dense, beijing_pm25, covtype_20k, skin],
    "sparse": [imdb_tfidf, flights_onehot],
    "regression": [beijing_regression],
    "classes": [mnist_10, letter_26, covtype_7],
    "hashed": [imdb_hashed],
    "raw": [adult_raw],
    "binary columns": [w8a, a9a],
    "regressions": [beijing_regression, fremtpl2freq, california, bike],
    "sparse regression": [flights_regression],
    "unscaled": [
        *(mnist_unscaled, adult_unscaled, covtype_unscaled, skin_unscaled, letter_unscaled),
        *(beijing_unscaled, fremtpl2freq_unscaled, california_unscaled, bike_unscaled),
    ],
}
BUNDLED = {
    "dense": [digits, breast_cancer],
    "sparse": [],
    "regression": [diabetes],
    "classes": [digits_10],
    "hashed": [],
    "raw": [],
    "binary columns": [],
    "regressions": [diabetes],
    "sparse regression": [],
    "unscaled": [breast_cancer_unscaled],
}
GENERATED = {
    "dense": {
        "generated_784": generated(dense, 40_000, 784),
        "generated_100": generated(dense, 50_000, 100),
        "generated_10": generated(dense, 250_000, 10),
    },
    "sparse": {
        "generated_long": generated(sparse, 40_000, 40_000, 130),
        "generated_short": generated(sparse, 300_000, 8_000, 8),
    },
    "regression": {},
    "classes": {"generated_classes": generated(dense_classes, 20_000, 784, 10)},
    "hashed": {"generated_hashed": generated(sparse, 20_000, 1 << 18, 30)},
    "raw": {"generated_raw": generated(dense, 50_000, 100)},
    "binary columns": {},
    "regressions": {},
    "sparse regression": {},
    "unscaled": {},
}
FILES = {  # where the file has another name
    beijing_regression: "beijing_pm25",
    imdb_tfidf: "imdb",
    mnist_10: "mnist",
    letter_26: "letter",
    covtype_7: "covtype_20k",
    imdb_hashed: "imdb",
    adult_raw: "adult_dense",
    flights_regression: "flights_onehot",
    mnist_unscaled: "mnist",
    adult_unscaled: "adult_dense",
    covtype_unscaled: "covtype_20k",
    skin_unscaled: "skin",
    letter_unscaled: "letter",
    beijing_unscaled: "beijing_pm25",
    fremtpl2freq_unscaled: "fremtpl2freq",
    california_unscaled: "california",
    bike_unscaled: "bike",
}


class Collection:
    """The sets at hand, loaded when asked for; then kept in memory as float64."""

    def __init__(self, folder):
        self.folder = Path(folder) if folder else None
        self.names, self.loaders, self.skipped = {}, {}, []
        for kind, real in REAL.items():
            found = {load.__name__: load for load in real if self.has(load)}
            self.skipped += [load.__name__ for load in real if load.__name__ not in found]
            if not found:
                found = {load.__name__: load for load in BUNDLED[kind]} | GENERATED[kind]
            self.names[kind] = list(found)
            self.loaders |= found
        self.loaders |= {load.__name__: load for kind in BUNDLED.values() for load in kind}
        self.raw = cache(lambda name: self.loaders[name](self.folder))

    def has(self, load):
        if self.folder is None:
            return False
        name = FILES.get(load, load.__name__)
        return any((self.folder / f"{name}.{ending}").exists() for ending in ("npz", "parquet"))

    def described(self):
        used = [name for names in self.names.values() for name in names]
        return {"data sets": ", ".join(used), "skipped": ", ".join(self.skipped) or "none"}

    def load(self, name, dtype):
        X, y = self.raw(name)
        y = y.astype(np.int64 if y.dtype.kind in "biu" else dtype)
        X = X.astype(dtype) if sp.issparse(X) else np.ascontiguousarray(X, dtype)
        return Dataset(name, X, y)

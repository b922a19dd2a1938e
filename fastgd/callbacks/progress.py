"""ProgressBar: epoch, loss and time while an estimator is fitted.

By rich or tqdm where one of them is installed, else as one line of plain text. A bar is one fit's;
several fits at a time, as in the threads of a search, have one each.
"""

import sys
import threading
import time
from importlib.util import find_spec

from .base import Callback

__all__ = ["ProgressBar"]

STYLES = ("rich", "tqdm", "plain")


class ProgressBar(Callback):
    """Show epoch, loss and time while an estimator is fitted.

    It shows on a terminal only, so that it may be left in programs whose output goes to a file.

    Parameters
    ----------
    style : {'auto', 'rich', 'tqdm', 'plain'}, default='auto'
        What draws it; 'auto' takes the first of the others that is installed.

    force : bool, default=False
        Show even if the stream is not a terminal; plain text then takes a line per update.

    stream : file object, default=None
        Where to write; None for ``sys.stderr``.

    max_propagation_depth : int or None, default=1
        How many levels of nested estimators a pipeline or a search hands it down; None for all.

    Examples
    --------
    >>> from fastgd import SGDClassifier
    >>> from fastgd.callbacks import ProgressBar
    >>> classifier = SGDClassifier().set_callbacks(ProgressBar())
    """

    #: Seconds between two updates.
    interval = 0.1

    def __init__(self, style="auto", *, force=False, stream=None, max_propagation_depth=1):
        if style not in ("auto", *STYLES):
            raise ValueError(f"style={style!r} must be one of 'auto', {', '.join(map(repr, STYLES))}.")
        if style in ("rich", "tqdm") and find_spec(style) is None:
            raise ImportError(f"style={style!r} needs the package {style}: pip install {style}.")
        self.style = style
        self.force = force
        self.stream = stream
        self.max_propagation_depth = max_propagation_depth
        self._bars = {}

    def on_fit_task_end(self, estimator, context):
        """Update the bar after an epoch; finish it after the last one."""
        info = getattr(context, "epoch", None)
        if info is None or context.task_name == "segment":
            return False
        ended = context.task_name != "epoch"
        place = threading.get_ident(), id(info.estimator)
        bar = self._bars.get(place)
        if bar is None:
            bar = self._bars[place] = self._make(info)
        bar.show(info, ended)
        if ended:
            del self._bars[place]
        return False

    def teardown(self, estimator, context):
        """Close what a fit that failed has left open."""
        for place in list(self._bars):
            self._bars.pop(place).close()

    def _make(self, info):
        stream = sys.stderr if self.stream is None else self.stream
        terminal = bool(getattr(stream, "isatty", bool)())
        if not (terminal or self.force):
            return _Nothing()
        style = self.style
        if style == "auto":
            # only a terminal is drawn on; a forced log is lines of text
            style = next(s for s in STYLES if s == "plain" or (terminal and find_spec(s) is not None))
        bars = {"rich": _RichBar, "tqdm": _TqdmBar, "plain": _PlainLine}
        return bars[style](stream, terminal, info, self.interval)

    def __getstate__(self):
        return {**self.__dict__, "_bars": {}}


class _Nothing:
    def show(self, info, ended):
        pass

    def close(self):
        pass


def _facts(info):
    return "" if info.loss != info.loss else f"loss {info.loss:.6g}"


class _PlainLine:
    """One line of a terminal, or a line per update of anything else."""

    def __init__(self, stream, terminal, info, interval):
        self.stream, self.terminal, self.interval = stream, terminal, interval
        self.next_update, self.up_to_date = 0.0, True

    def show(self, info, ended):
        now = time.monotonic()
        if ended:
            write = self.terminal or not self.up_to_date
        else:
            write = self.up_to_date = now >= self.next_update
        if write:
            self.next_update = now + self.interval
            total = "" if info.max_epochs is None else f"/{info.max_epochs}"
            line = f"{type(info.estimator).__name__}  epoch {info.epoch}{total}"
            line = "  ".join(filter(None, (line, _facts(info), f"{info.seconds:.1f} s")))
            # ESC [K clears what a longer line before may have left.
            self.stream.write(f"\r{line}\x1b[K{chr(10) * ended}" if self.terminal else f"{line}\n")
            self.stream.flush()

    def close(self):
        if self.terminal:
            self.stream.write("\n")


class _TqdmBar:
    def __init__(self, stream, terminal, info, interval):
        from tqdm import tqdm

        self.bar = tqdm(
            total=info.max_epochs,
            initial=info.epoch - 1,
            desc=type(info.estimator).__name__,
            unit="epoch",
            file=stream,
            mininterval=interval,
        )

    def show(self, info, ended):
        if not ended:
            self.bar.set_postfix_str(_facts(info), refresh=False)
            self.bar.update(info.epoch - self.bar.n)
        else:
            self.bar.refresh()
            self.close()

    def close(self):
        self.bar.close()


class _RichBar:
    def __init__(self, stream, terminal, info, interval):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        # an explicit stream of the user's is taken for the terminal it says it is
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("epoch {task.completed:.0f}/{task.fields[total_text]}  {task.fields[facts]}"),
            TimeElapsedColumn(),
            console=Console(file=stream, force_terminal=terminal or None),
            refresh_per_second=1 / interval if interval else 10,
        )
        total = "?" if info.max_epochs is None else str(info.max_epochs)
        self.task = self.progress.add_task(
            type(info.estimator).__name__,
            total=info.max_epochs,
            completed=info.epoch - 1,
            total_text=total,
            facts="",
        )
        self.progress.start()

    def show(self, info, ended):
        if not ended:
            self.progress.update(self.task, completed=info.epoch, facts=_facts(info))
        else:
            self.close()

    def close(self):
        self.progress.stop()

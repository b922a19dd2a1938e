"""scikit-learn's mechanism of callbacks, or what stands in for it before version 1.9.

What an estimator needs of it is a mixin with ``set_callbacks``, a context to tell the callbacks
through, and the promise that every callback that was set up is torn down.  From 1.9 on all of it
is scikit-learn's own; before, the classes here have its names and meanings, without the handing
down from meta-estimators, which those versions have no place for.
"""

import copy
import inspect
import uuid
from datetime import datetime, timezone

try:
    from sklearn.callback import CallbackSupportMixin as _CallbackSupport
    from sklearn.callback import with_callbacks
except ImportError:  # scikit-learn < 1.9
    _CallbackSupport = None

if _CallbackSupport is not None:

    class CallbackSupportMixin(_CallbackSupport):
        """Gives an estimator ``set_callbacks``; scikit-learn's own mixin.

        A subclass rather than the class itself, so that it may stand before an estimator of
        scikit-learn in a list of bases, whether or not that estimator supports callbacks by then.
        """

    @with_callbacks
    def tear_down(estimator):
        """Tear down the callbacks that were set up: what the decorator does, around no work."""

else:
    _HOOKS = ("setup", "teardown", "on_fit_task_begin", "on_fit_task_end")

    class CallbackContext:
        """A task of a fit, as a callback sees it; the node of a tree of tasks.

        Attributes
        ----------
        task_name : str
            What the task is, such as "fit" or "epoch".

        task_id : int
            Its number among its siblings, from 0.

        max_subtasks : int or None
            How many subtasks it may have; 0 for a leaf, None when that is not known.

        sequential_subtasks : bool
            Whether its subtasks follow each other.

        estimator_name : str
            The class of the estimator.

        parent : CallbackContext or None
            The task that it is a part of.

        root_uuid : uuid.UUID
            Names the whole tree.

        init_time : datetime.datetime
            When it was made, in UTC.

        source_estimator_name, source_task_name : None
            The task of a meta-estimator that it was merged with: none before scikit-learn 1.9.
        """

        source_estimator_name = None
        source_task_name = None

        def __init__(self, estimator_name, callbacks, task_name, task_id, max_subtasks, parent):
            self.estimator_name = estimator_name
            self.task_name = task_name
            self.task_id = task_id
            self.max_subtasks = max_subtasks
            self.sequential_subtasks = True
            self.parent = parent
            self.root_uuid = uuid.uuid4() if parent is None else parent.root_uuid
            self.init_time = datetime.now(timezone.utc)
            self._callbacks = callbacks
            self._n_subtasks = 0

        def __repr__(self):
            return (
                f"{type(self).__name__}(estimator_name={self.estimator_name!r}, "
                f"task_name={self.task_name!r}, task_id={self.task_id})"
            )

        def subcontext(self, task_name="", *, max_subtasks=0):
            """Return the context of the next subtask."""
            child = CallbackContext(
                self.estimator_name,
                self._callbacks,
                task_name,
                self._n_subtasks,
                max_subtasks,
                parent=self,
            )
            self._n_subtasks += 1
            return child

        def call_on_fit_task_begin(self, *, estimator, **values):
            """Tell the callbacks that the task begins."""
            self._call("on_fit_task_begin", estimator, values)
            return self

        def call_on_fit_task_end(self, *, estimator, **values):
            """Tell the callbacks that the task has ended; return whether one wants to stop."""
            return self._call("on_fit_task_end", estimator, values)

        def _call(self, hook, estimator, values):
            stop = False
            known = {}  # each value is worked out once, and only if a callback names it
            for callback in self._callbacks:
                function = getattr(callback, hook)
                names = [
                    parameter.name
                    for parameter in inspect.signature(function).parameters.values()
                    if parameter.kind is parameter.KEYWORD_ONLY
                ]
                for name in names:
                    if name not in known:
                        known[name] = _value(name, estimator, values)
                arguments = {name: known[name] for name in names}
                stop |= bool(function(estimator, self, **arguments))
            return stop

    def _value(name, estimator, values):
        """What a hook's parameter ``name`` receives."""
        if name == "fitted_estimator":
            attributes = evaluated(values.get("reconstruction_attributes"))
            return None if attributes is None else as_if_fitted(estimator, attributes)
        if name not in ("X", "y", "metadata"):
            raise TypeError(
                f"A callback's hook has the parameter {name!r}; the ones it may have are X, y, "
                "metadata and fitted_estimator."
            )
        return evaluated(values.get(name))

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Gives an estimator ``set_callbacks``, as scikit-learn does from 1.9 on."""

        def set_callbacks(self, *callbacks):
            """Set the callbacks of the estimator, in place of those it had.

            Parameters
            ----------
            *callbacks : callback instances
                Objects with the methods ``setup``, ``teardown``, ``on_fit_task_begin`` and
                ``on_fit_task_end``.

            Returns
            -------
            self : estimator
            """
            for callback in callbacks:
                if isinstance(callback, type) or not all(hasattr(callback, h) for h in _HOOKS):
                    raise TypeError(
                        "callbacks must be instances following the FitCallback protocol, with the "
                        f"methods {', '.join(_HOOKS)}; got {callback!r}."
                    )
            if callbacks:
                self._skl_callbacks = list(callbacks)
            else:
                self.__dict__.pop("_skl_callbacks", None)
            return self

        def _init_callback_context(self, task_name="fit", *, max_subtasks=0):
            self._callback_fit_ctx = CallbackContext(
                type(self).__name__, self._skl_callbacks, task_name, 0, max_subtasks, parent=None
            )
            self._skl_callbacks_to_teardown = []
            for callback in self._skl_callbacks:
                self._skl_callbacks_to_teardown.append(callback)
                callback.setup(estimator=self, context=self._callback_fit_ctx)
            return self._callback_fit_ctx

        def __sklearn_clone__(self):
            cloned = super().__sklearn_clone__()
            if hasattr(self, "_skl_callbacks"):
                cloned._skl_callbacks = self._skl_callbacks
            return cloned

    def tear_down(estimator):
        """Tear down the callbacks that were set up, all of them, then raise what went wrong."""
        context = estimator.__dict__.pop("_callback_fit_ctx", None)
        failure = None
        for callback in estimator.__dict__.pop("_skl_callbacks_to_teardown", ()):
            try:
                callback.teardown(estimator=estimator, context=context)
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure


def evaluated(value):
    """Return the value, or what it returns if it is a function: a value worked out on demand."""
    return value() if callable(value) else value


def as_if_fitted(estimator, attributes):
    """Return a shallow copy of the estimator that has the fitted ``attributes``."""
    fitted = copy.copy(estimator)
    for name, value in attributes.items():
        setattr(fitted, name, value)
    return fitted

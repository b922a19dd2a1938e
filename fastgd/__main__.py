"""The command line: ``python -m fastgd``, alone or before a program.

A program is run as ``python`` would run it (its own ``sys.argv``, its folder first on the path,
its name ``__main__``), except that scikit-learn is patched before its first line.
"""

import os
import runpy
import sys

USAGE = """\
usage: python -m fastgd                        show the configuration and a comparison
       python -m fastgd script.py [args ...]   run a script with scikit-learn patched
       python -m fastgd -m module [args ...]   run a module with scikit-learn patched
"""


def main(arguments):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str
        What follows ``python -m fastgd``.

    Returns
    -------
    int
        The exit status.
    """
    if not arguments:
        from .demo import run_demo

        run_demo()
        return 0
    if arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if arguments[0] == "-m":
        if len(arguments) == 1:
            return _refuse("-m needs the name of a module")
        _run_module(arguments[1], arguments[2:])
    elif arguments[0].startswith("-"):
        return _refuse(f"there is no option {arguments[0]}")
    elif not os.path.exists(arguments[0]):
        return _refuse(f"there is no file {arguments[0]!r}")
    else:
        _run_script(arguments[0], arguments[1:])
    return 0


def _refuse(reason):
    print(f"python -m fastgd: {reason}.\n{USAGE}", end="", file=sys.stderr)
    return 2


def _run_script(path, arguments):
    _patch()
    sys.argv[:] = [path, *arguments]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.abspath(path))  # in place of the current folder
    runpy.run_path(path, run_name="__main__")


def _run_module(name, arguments):
    _patch()
    sys.argv[:] = [name, *arguments]  # runpy puts the file in place of the name
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _patch():
    from .patching import patch_sklearn

    patch_sklearn()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

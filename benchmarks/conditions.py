"""Under which conditions a run took place: without them a figure means nothing."""

import os
import platform
import time
from importlib import metadata
from pathlib import Path

PACKAGES = ("fastgd", "scikit-learn", "numpy", "scipy")


def cpu_name():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def kernel_level():
    """The build of fastgd's kernels that this CPU was given."""
    try:
        from fastgd import kernels
    except ImportError:
        return "unknown"
    return str(getattr(kernels, "level", "unknown"))


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def collect(quick):
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "cpu": f"{cpu_name()}, {os.cpu_count()} cores seen, 1 thread used",
        "kernel level": kernel_level(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "load at start": f"{load:.2f}",
        "mode": "quick" if quick else "full",
    }


def has_avx2():
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False

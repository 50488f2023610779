"""The parts of benchmarks/gpu.py, one module each; every one has ``measure(run)``, which takes a `Run` and fills its report."""

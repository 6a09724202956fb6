"""Where things are."""
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCHES, BUILD, DEPS = ROOT / "benches", ROOT / "build/benches", ROOT / ".deps/bench"
PYTHON = str(DEPS / "python/bin/python")

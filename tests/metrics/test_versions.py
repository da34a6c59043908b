from __future__ import annotations

import json
from pathlib import Path

from latentbench.testing.versions import entries, forgotten, metrics_of, stale

LOCK = Path(__file__).with_name("versions.json")
RENEW = "python -m latentbench.testing.versions tests/metrics/versions.json latentbench:latentbench-metrics"


def test_no_code_changed_without_its_version():
    locked, now = (
        json.loads(LOCK.read_text(encoding="utf-8")),
        entries(metrics_of("latentbench:latentbench-metrics")),
    )
    wrong = forgotten(locked, now)
    assert not wrong, f"the code of {', '.join(wrong)} changed: raise `version`, then {RENEW}"
    old = stale(locked, now)
    assert not old, f"the lock of {', '.join(old)} is old: {RENEW}"

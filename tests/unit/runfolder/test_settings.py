"""A run's settings: one type, one form in the manifest, the event log and `status`."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from etl.domain.grace import Grace
from etl.errors import EvidenceAltered, Refused
from etl.runfolder.folder import _digest, open_locked, open_readonly
from etl.runfolder.settings import RunSettings, from_json

FULL = {
    "source": "postgresql://reader:***@db/portal2",
    "tc": "none",
    "target": "sqlite:///portal3.sqlite",
    "files": "files",
    "objects": "s3://bucket/objects",
    "freeze": "2023-09-16 to 2023-09-30",
    "mappings": "a" * 64,
    "grace": "1 before, 2 after, the length added",
    "approver": "b" * 64,
    "adapter": "none",
    "decisions": "none",
    "place": "c" * 64,
    "without files": "yes",
    "rolled back": "run-1 at 2023-10-01T00:00:00+00:00",
    "purged": "yes",
}


def test_settings_of_the_manifest_are_read_as_values_and_written_unchanged() -> None:
    settings = from_json(FULL)
    assert settings.as_json() == FULL
    assert (settings.freeze, settings.grace) == ((date(2023, 9, 16), date(2023, 9, 30)), Grace(1, 2, None))
    assert (settings.tc, settings.adapter, settings.absent) == (None, None, {"tc", "adapter", "decisions"})
    assert (settings.without, settings.purged) == ({"files"}, True)
    assert [settings.connectable(name) for name in ("source", "tc", "target")] == [None, None, "sqlite:///portal3.sqlite"]
    assert from_json({}) == RunSettings()


@pytest.mark.parametrize(
    "wrong", [{"freeze": "2023-09-16"}, {"freeze": "x to y"}, {"grace": "much"}, {"colour": "red"}, {"purged": "no"}, {"source": 1}]
)
def test_an_invalid_setting_is_refused_as_an_altered_manifest(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json({**FULL, **wrong})
    with open_locked(tmp_path / "run") as folder:
        folder.fix(RunSettings(source="sqlite:///p2"))
    manifest = tmp_path / "run/manifest.json"
    body = json.loads(manifest.read_bytes())["run"] | {"settings": wrong}
    manifest.write_text(json.dumps({"run": body, "sha256": _digest(body)}))
    with pytest.raises(EvidenceAltered, match=r"altered or damaged"):
        open_readonly(tmp_path / "run")


def test_fixed_settings_stay_also_those_fixed_as_absent() -> None:
    begun = RunSettings(source="sqlite:///p2", files="files")
    completed = begun.completed("source", "tc", "grace")
    assert completed.as_json() == {"source": "sqlite:///p2", "tc": "none", "files": "files", "grace": str(Grace())}
    assert completed.fixed(RunSettings(objects="objects")).objects == "objects"
    for other, found in ((RunSettings(tc="sqlite:///tc"), "tc = none"), (RunSettings(source="sqlite:///x"), "source = sqlite:///p2")):
        with pytest.raises(Refused, match=found):
            completed.fixed(other)


def test_a_folder_called_none_is_a_folder() -> None:
    """The manifest has `none` for a setting that was not given."""
    begun = RunSettings(files="none")
    assert from_json(begun.as_json()).files == "./none"
    assert begun.fixed(RunSettings(files="none")) == from_json(begun.as_json())

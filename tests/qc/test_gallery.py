"""The stage: draws what changed, keeps the rest, and one bad case fails alone."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.engine import Engine, ProcessEngine, SerialEngine
from pipeline.errors import MissingDependency, NothingToDo
from pipeline.stage import Outcome, load_settings, run_stage
from pipeline.volume import label_boxes
from pipeline.workspace import (
    Finding,
    Mask,
    Provenance,
    Verdict,
    Workspace,
    write_findings,
    write_mask,
)
from qc import gallery
from qc.drawing import PICTURE_VERSION, PictureFiles, Style, paint_masks, source_of
from qc.gallery import STAGE, GallerySettings, task_of
from qc.panels import PanelRule

MODEL = Provenance(origin="model", maker="model:first")
ROUND = Provenance(origin="round", maker="round:2", round=2)
SETTINGS = GallerySettings(
    width_px=900,
    view_height_px=220,
    supersampling=1,
    panels=(PanelRule(title="organs", categories=("organ",)),),
)


@pytest.fixture
def two_cases(workspace: Workspace, add_case: Callable, add_masks: Callable) -> Workspace:
    for case_id in ("s0001", "s0002"):
        add_masks(add_case(case_id, phase="native"), MODEL)
    return workspace


def draw(
    workspace: Workspace, settings: GallerySettings = SETTINGS, engine: Engine | None = None
) -> dict[str, Outcome]:
    report = run_stage(STAGE, workspace, settings, engine or SerialEngine())
    return {outcome.subject: outcome for outcome in report.outcomes}


def statuses(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {subject: outcome.status for subject, outcome in outcomes.items()}


def record_of(workspace: Workspace, case_id: str) -> dict:
    files = PictureFiles(workspace.layout.gallery_dir, case_id)
    return json.loads(files.record.read_text())


def page_data(workspace: Workspace) -> dict:
    page = (workspace.layout.gallery_dir / "index.html").read_text(encoding="utf-8")
    text = page.partition('id="data">')[2].partition("</script>")[0]
    return json.loads(text)


@pytest.mark.rendering
def test_the_first_run_draws_and_the_second_keeps(two_cases: Workspace, driver: str) -> None:
    first = draw(two_cases)
    assert statuses(first) == {"s0001": "done", "s0002": "done"}
    assert first["s0001"].figures["present"] == 3
    files = PictureFiles(two_cases.layout.gallery_dir, "s0001")
    with Image.open(files.picture) as picture:
        said = json.loads(picture.text["masksmith"])
        assert said == {"case": "s0001", "digest": record_of(two_cases, "s0001")["digest"]}
        assert list(picture.size) == [record_of(two_cases, "s0001")[n] for n in ("width", "height")]
    before = files.picture.stat().st_mtime_ns
    assert statuses(draw(two_cases)) == {"s0001": "kept", "s0002": "kept"}
    assert files.picture.stat().st_mtime_ns == before
    assert statuses(draw(two_cases, SETTINGS.model_copy(update={"again": True})))["s0001"] == "done"


@pytest.mark.rendering
def test_only_what_changed_is_drawn_again(two_cases: Workspace, driver: str) -> None:
    draw(two_cases)
    case = two_cases.case("s0001")
    crop = np.ones((4, 4, 4), bool)
    box = (slice(2, 6), slice(2, 6), slice(2, 6))
    newer = write_mask(two_cases.layout, case, "liver", crop, ROUND, box=box)
    two_cases.record_masks([newer])
    assert statuses(draw(two_cases)) == {"s0001": "done", "s0002": "kept"}
    mask = two_cases.in_force("s0002")["spleen"]
    two_cases.record_verdicts(
        [Verdict("s0002", "accept", "anna", structure="spleen", mask_id=mask.id)]
    )
    assert statuses(draw(two_cases)) == {"s0001": "kept", "s0002": "done"}
    two_cases.record_verdicts([Verdict("s0002", "absent_anatomy", "anna", structure="spleen")])
    assert draw(two_cases)["s0002"].figures["present"] == 2
    other_look = SETTINGS.model_copy(update={"view_height_px": 230})
    assert set(statuses(draw(two_cases, other_look)).values()) == {"done"}


@pytest.mark.rendering
def test_a_bad_case_fails_alone_and_is_named_on_the_page(
    two_cases: Workspace, add_case: Callable, driver: str
) -> None:
    add_case("s0003")
    two_cases.layout.ct("s0002").write_bytes(b"no volume")
    outcomes = draw(two_cases)
    assert statuses(outcomes) == {"s0001": "done", "s0002": "failed", "s0003": "done"}
    assert "s0002" in outcomes["s0002"].note
    cases = {case["id"]: case for case in page_data(two_cases)["cases"]}
    assert cases["s0002"]["picture"] is None
    assert cases["s0002"]["failure"] == outcomes["s0002"].note
    assert len(cases["s0001"]["picture"]["present"]) == 3
    assert cases["s0003"]["picture"]["present"] == []
    assert cases["s0003"]["sources"] == {}


@pytest.mark.rendering
def test_a_picture_that_is_gone_or_half_there_is_drawn_again(
    two_cases: Workspace, driver: str
) -> None:
    draw(two_cases)
    PictureFiles(two_cases.layout.gallery_dir, "s0001").thumbnail.unlink()
    PictureFiles(two_cases.layout.gallery_dir, "s0002").record.write_text('{"digest": ')
    half = two_cases.layout.gallery_dir / "images" / ".s0001.png.77-abcd.part"
    half.write_bytes(b"half")
    assert statuses(draw(two_cases)) == {"s0001": "done", "s0002": "done"}
    assert not half.exists()


@pytest.mark.slow
@pytest.mark.rendering
def test_other_processes_draw_the_same_picture(two_cases: Workspace, driver: str) -> None:
    draw(two_cases)
    pictures = [PictureFiles(two_cases.layout.gallery_dir, f"s000{n}").picture for n in (1, 2)]
    here = [np.asarray(Image.open(path)) for path in pictures]
    again = SETTINGS.model_copy(update={"again": True})
    assert set(statuses(draw(two_cases, again, ProcessEngine(1))).values()) == {"done"}
    for before, path in zip(here, pictures, strict=True):
        difference = np.abs(before.astype(int) - np.asarray(Image.open(path)).astype(int))
        assert (difference > 8).mean() < 0.001


def test_excluded_cases_are_left_out_unless_named(
    two_cases: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(
        gallery, "_draw", lambda tasks, engine: drawn.extend(t.case.id for t in tasks) or iter(())
    )
    two_cases.record_verdicts([Verdict("s0002", "exclude_case", "anna", reason="motion")])
    list(STAGE.run(two_cases, SETTINGS, SerialEngine()))
    assert drawn == ["s0001"]
    named = SETTINGS.model_copy(update={"cases": ("s0002",)})
    list(STAGE.run(two_cases, named, SerialEngine()))
    assert drawn == ["s0001", "s0002"]
    excluded = {case["id"]: case["excluded"] for case in page_data(two_cases)["cases"]}
    assert excluded == {"s0001": False, "s0002": True}


def test_a_case_that_is_not_there_is_an_error(two_cases: Workspace) -> None:
    unknown = SETTINGS.model_copy(update={"cases": ("s0009",)})
    with pytest.raises(NothingToDo, match="s0009"):
        list(STAGE.run(two_cases, unknown, SerialEngine()))


def test_without_a_driver_nothing_is_touched(
    two_cases: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise MissingDependency("no graphics driver")

    monkeypatch.setattr(gallery, "require_rendering", refuse)
    with pytest.raises(MissingDependency):
        list(STAGE.run(two_cases, SETTINGS, SerialEngine()))
    assert not (two_cases.layout.gallery_dir / "images").exists()


def test_a_task_paints_what_the_workspace_says(two_cases: Workspace) -> None:
    case = two_cases.case("s0001")
    whole = np.ones(case.grid.shape, bool)
    rough = Provenance(origin="model", maker="model:greedy", priority=-1)
    two_cases.record_masks([write_mask(two_cases.layout, case, "pancreas", whole, rough)])
    style = Style(two_cases.class_map, (), SETTINGS.picture())
    task = task_of(two_cases, two_cases.record("s0001"), style, style.digest())
    painted = paint_masks(task.case, task.masks, two_cases.class_map.dtype)
    assert np.array_equal(painted, two_cases.label_map("s0001"))
    assert len(label_boxes(painted)) == 4
    assert task.info.sources == {"model first": 3, "model greedy": 1}


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        (MODEL, "model first"),
        (ROUND, "round 2"),
        (Provenance(origin="human", maker="person:anna"), "human"),
        (Provenance(origin="rough", maker="dataset:lab"), "dataset lab"),
    ],
)
def test_sources_name_no_person(provenance: Provenance, words: str) -> None:
    box = (slice(0, 1), slice(0, 1), slice(0, 1))
    assert source_of(Mask("0", "s0001", "liver", provenance, box, 1)) == words


def test_colours_change_the_look_but_the_order_of_a_run_does_not(two_cases: Workspace) -> None:
    style = Style(two_cases.class_map, SETTINGS.panels, SETTINGS.picture())
    again = Style(two_cases.class_map, SETTINGS.panels, SETTINGS.picture())
    assert style.digest() == again.digest()
    smaller = two_cases.class_map.subset(("liver", "spleen"))
    assert Style(smaller, SETTINGS.panels, SETTINGS.picture()).digest() != style.digest()
    assert PICTURE_VERSION >= 1


def test_the_shipped_settings_are_complete() -> None:
    configs = Path(gallery.__file__).parents[1] / "configs"
    settings = load_settings(STAGE, configs)
    assert isinstance(settings, GallerySettings)
    assert len(settings.panels) == 9
    assert settings.picture() == GallerySettings().picture()


def test_every_setting_is_in_the_docs_and_the_settings_file() -> None:
    root = Path(gallery.__file__).parents[1]
    docs = (root / "docs" / "gallery.md").read_text(encoding="utf-8")
    shipped = yaml.safe_load((root / "configs" / "gallery.yaml").read_text(encoding="utf-8"))
    for name in GallerySettings.model_fields:
        assert f"`{name}`" in docs
        assert name in shipped


@pytest.mark.rendering
def test_everything_that_a_page_needs_lies_beside_the_picture(
    two_cases: Workspace, driver: str
) -> None:
    found = [
        Finding("island", "liver has an island", ("liver",), {}, "high"),
        Finding("glance", "spleen is small", ("spleen",), {}, "low"),
    ]
    write_findings(two_cases.layout, "s0001", "plausibility", found)
    draw(two_cases)
    record, files = record_of(two_cases, "s0001"), files_of(two_cases, "s0001")
    assert record["findings"] == [found[0].to_dict()]
    with Image.open(files.pick_map) as image:
        assert list(image.size) == [record["width"], record["height"]]
        picks = np.asarray(image)
    masks = two_cases.in_force("s0001")
    assert set(record["structures"]) == set(masks)
    grid = two_cases.case("s0001").grid
    for name, told in record["structures"].items():
        assert told["mask"] == masks[name].id
        assert told["volume_ml"] == pytest.approx(masks[name].voxels * grid.voxel_ml, abs=1e-3)
        if told["box_px"] is not None:
            left, top, right, bottom = told["box_px"]
            value = two_cases.class_map[name].value
            assert (picks[top:bottom, left:right] == value).any()
    assert any(told["box_px"] for told in record["structures"].values())
    assert files.pick_script.read_text().startswith('masksmithPickMap("s0001", {')
    (organs, rest) = record["panels"]
    assert (organs["title"], organs["slug"], rest["slug"]) == ("organs", "organs", "other")
    left, top, right, bottom = organs["box_px"]
    with Image.open(files.panels / "organs.png") as panel, Image.open(files.picture) as whole:
        assert np.array_equal(np.asarray(panel), np.asarray(whole)[top:bottom, left:right])


@pytest.mark.rendering
def test_other_findings_or_panels_draw_anew_and_leave_nothing_behind(
    two_cases: Workspace, driver: str
) -> None:
    draw(two_cases)
    odd = Finding("island", "liver has an island", ("liver",), {}, "medium")
    write_findings(two_cases.layout, "s0001", "plausibility", [odd])
    assert statuses(draw(two_cases)) == {"s0001": "done", "s0002": "kept"}
    glance = Finding("glance", "liver is large", ("liver",), {}, "low")
    write_findings(two_cases.layout, "s0001", "plausibility", [odd, glance])
    assert statuses(draw(two_cases)) == {"s0001": "kept", "s0002": "kept"}
    renamed = SETTINGS.model_copy(
        update={"panels": (PanelRule(title="Soft parts", categories=("organ",)),)}
    )
    draw(two_cases, renamed)
    files = files_of(two_cases, "s0001")
    assert sorted(path.name for path in files.panels.iterdir()) == ["other.png", "soft-parts.png"]
    files.pick_map.unlink()
    assert statuses(draw(two_cases, renamed))["s0001"] == "done"


def files_of(workspace: Workspace, case_id: str) -> PictureFiles:
    return PictureFiles(workspace.layout.gallery_dir, case_id)

"""CTs in, first masks, verdicts, status and history: the way to the first accepted cases."""

from types import SimpleNamespace

import pytest

from pipeline.workspace import Workspace


@pytest.fixture(scope="module")
def way(new_lab, bodies):
    """Go the way once; every answer is kept by name."""
    lab = new_lab()
    way = SimpleNamespace(lab=lab)
    way.init = lab.json("init", "--class-map", "six")
    way.drawn = lab.json("intake", str(bodies / "drawn"), "--given-origin", "human")
    way.bare = lab.json("intake", str(bodies / "bare"))
    way.cases = lab.predict_with_truth(bodies)
    way.bootstrap = lab.json("bootstrap", "--cases", ",".join(way.cases))
    way.before = lab.json("status")
    way.verdict = lab.json("verdict", "accept", "--case", "s0000,s0001", "--by", "anna")
    way.sent_back = lab.json(
        "verdict", "fix", "--case", way.cases[0], "--structure", "liver", "--by", "anna"
    )
    way.after = lab.json("status")
    return way


def test_init_says_what_it_made_and_keeps_it_the_second_time(way):
    assert (way.init["status"], way.init["class_map"], way.init["structures"]) == ("done", "six", 6)
    assert way.lab.json("init", "--class-map", "six")["status"] == "kept"


def test_init_with_another_class_map_is_refused(way):
    done = way.lab("init")
    assert done.code == 2
    assert "cannot be changed to 'class_map'" in done.err


def test_intake_names_the_cases_of_a_dataset_and_hides_file_names_otherwise(way):
    assert [o["subject"] for o in way.drawn["outcomes"]] == ["s0000", "s0001"]
    assert way.drawn["counts"] == {"done": 2, "kept": 0, "failed": 0}
    assert all(outcome["subject"].startswith("case-") for outcome in way.bare["outcomes"])


def test_bootstrap_makes_a_mask_of_every_structure_the_model_knows(way):
    assert way.bootstrap["counts"] == {"done": 2, "kept": 0, "failed": 0}
    workspace = Workspace.open(way.lab.workspace)
    for case_id in way.cases:
        assert set(workspace.in_force(case_id)) == set(workspace.class_map.names)


def test_status_goes_from_proposed_to_complete(way):
    states = {case["id"]: case["state"] for case in way.after["cases"]}
    assert [case["state"] for case in way.before["cases"]] == ["proposed"] * 4
    assert (states["s0000"], states["s0001"]) == ("complete", "complete")
    assert states[way.cases[0]] == "in review"
    assert way.after["counts"]["accepted"] == 12
    assert way.after["counts"]["by_origin"] == {"model": 12, "human": 12}


def test_a_mask_sent_back_is_counted_so(way):
    (result,) = way.sent_back["results"]
    assert result["status"] == "done"
    case = next(case for case in way.after["cases"] if case["id"] == way.cases[0])
    assert (case["counts"]["sent_back"], case["counts"]["proposed"]) == (1, 6)


def test_history_of_a_bootstrap_mask_leads_to_the_model_card(way):
    history = way.lab.json("status", "--case", way.cases[1], "--structure", "liver", "--history")
    steps = {step["kind"]: step for step in history["steps"]}
    assert steps["mask"]["what"].endswith(f"with masksmith {_version()}")
    assert "by model:elsewhere" in steps["mask"]["what"]
    assert steps["model_card"]["found"] is True
    assert "name: elsewhere" in open(steps["model_card"]["path"]).read()  # noqa: SIM115
    assert len(steps["predictions"]["digest"]) == 64


def test_history_of_a_drawn_mask_leads_to_its_maker_and_the_verdict(way):
    done = way.lab("status", "--case", "s0000", "--structure", "liver", "--history")
    assert done.code == 0
    assert "origin human, by dataset:" in done.out
    assert "verdict: accept by anna" in done.out
    assert "MISSING" not in done.out


def test_history_says_when_a_file_is_gone(way):
    workspace = Workspace.open(way.lab.workspace)
    mask = workspace.in_force("s0001")["spleen"]
    path = workspace.layout.mask("s0001", "spleen", mask.id)
    data = path.read_bytes()
    path.unlink()
    done = way.lab("status", "--case", "s0001", "--structure", "spleen", "--history")
    findings = way.lab.json("doctor", code=1)
    path.write_bytes(data)
    assert "MISSING OR CHANGED" in done.out
    assert [finding["kind"] for finding in findings["findings"]] == ["missing"]
    assert way.lab.json("doctor") == {"errors": 0, "rebuilt": False, "findings": []}


def test_running_everything_again_keeps_everything(way, bodies):
    before = _state(way.lab)
    assert way.lab.json("intake", str(bodies / "drawn"), "--given-origin", "human")["counts"] == {
        "done": 0, "kept": 2, "failed": 0,
    }  # fmt: skip
    again = way.lab.json("bootstrap", "--cases", ",".join(way.cases))
    assert again["counts"] == {"done": 0, "kept": 2, "failed": 0}
    verdict = way.lab.json("verdict", "accept", "--case", "s0000,s0001", "--by", "anna")
    assert verdict["counts"] == {"kept": 2}
    assert _state(way.lab) == before


def test_the_index_is_rebuilt_from_the_files_alone(way):
    before = _state(way.lab)
    (way.lab.workspace / "ledger.sqlite").unlink()
    assert way.lab.json("doctor", "--rebuild")["errors"] == 0
    assert _state(way.lab) == before


def test_status_reads_as_a_table_too(way):
    done = way.lab("status", "--structures")
    lines = done.out.splitlines()
    assert lines[0].endswith("4 cases, class map six (6 structures)")
    assert any(line.startswith("liver ") for line in lines)
    assert any(line.startswith("s0000 ") and " complete " in line for line in lines)


def test_one_case_is_shown_by_structure(way):
    document = way.lab.json("status", "--case", way.cases[0])
    states = {state["structure"]: state for state in document["structures"]}
    assert states["liver"]["sent_back"] is True
    assert states["liver"]["mask"]["provenance"]["maker"] == "model:elsewhere"
    done = way.lab("status", "--case", way.cases[0])
    assert any(line.startswith("liver ") and "sent back" in line for line in done.out.splitlines())


def test_only_cases_in_a_state_can_be_listed(way):
    cases = way.lab.json("status", "--state", "complete")["cases"]
    assert [case["id"] for case in cases] == ["s0000", "s0001"]
    assert way.lab("status", "--state", "excluded").code == 3


def _state(lab):
    """Return what decides everything later: the masks by case and the verdicts."""
    workspace = Workspace.open(lab.workspace)
    masks = {case.id: {m.id for m in workspace.masks(case.id)} for case in workspace.cases()}
    digests = {case.id: case.ct_digest for case in workspace.cases()}
    in_force = {case_id: workspace.digest_in_force(case_id) for case_id in masks}
    return masks, digests, in_force, {verdict.id for verdict in workspace.verdicts()}


def _version():
    from importlib.metadata import version

    return version("masksmith")

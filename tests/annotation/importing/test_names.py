import numpy as np
import pytest

from annotation.formats.drawing import ContourShape, Drawing
from annotation.importing.name_words import NameKey, plain_key, sided_key, without_noise
from annotation.importing.names import Match, Matcher, label_of
from annotation.importing.synonyms import Synonyms, load_synonyms
from pipeline.anatomy import ClassMap, find_class_map, load_class_map, shipped_configs

CONFIGS = shipped_configs()


@pytest.fixture(scope="module")
def class_map() -> ClassMap:
    return load_class_map(CONFIGS / "class_map.yaml")


@pytest.fixture(scope="module")
def synonyms(class_map: ClassMap) -> Synonyms:
    return load_synonyms(CONFIGS, class_map)


@pytest.fixture(scope="module")
def matcher(class_map: ClassMap, synonyms: Synonyms) -> Matcher:
    return Matcher(class_map, synonyms)


def drawing(name: str = "", **fields: object) -> Drawing:
    return Drawing(name, ContourShape(()), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("liver", "liver"),
        ("Liver", "liver"),
        ("Leber", "liver"),
        ("liver_seg", "liver"),
        ("Kidney_L", "kidney_left"),  # TG-263
        ("KidneyL", "kidney_left"),
        ("LeftKidney", "kidney_left"),
        ("Lt Kidney", "kidney_left"),
        ("right kidney", "kidney_right"),  # nnU-Net Task017
        ("Niere re.", "kidney_right"),
        ("Glnd_Adrenal_L", "adrenal_gland_left"),
        ("NN li", "adrenal_gland_left"),
        ("postcava", "inferior_vena_cava"),  # AMOS
        ("V. cava inf.", "inferior_vena_cava"),
        ("portal vein and splenic vein", "portal_vein_and_splenic_vein"),
        ("A. pulmonalis", "pulmonary_artery"),
        ("Dünndarm", "small_bowel"),
        ("Duenndarm", "small_bowel"),
        ("LUL", "lung_upper_lobe_left"),
        ("Mittellappen", "lung_middle_lobe_right"),
        ("L1", "vertebrae_L1"),  # VerSe
        ("L 1", "vertebrae_L1"),
        ("BWK 12", "vertebrae_T12"),
        ("VB_T04", "vertebrae_T4"),
        ("Rib04_L", "rib_left_4"),
        ("5. Rippe links", "rib_left_5"),
        ("rib_left_12", "rib_left_12"),
        ("Os coxae rechts", "hip_right"),
    ],
)
def test_names_as_people_write_them(matcher: Matcher, name: str, structure: str) -> None:
    assert matcher.match(drawing(name)) == Match(structure, "name")


def test_every_structure_is_matched_by_its_own_name(matcher: Matcher, class_map: ClassMap) -> None:
    for name in class_map.names:
        for spelled in (name, name.replace("_", " ").title(), name.replace("_", "-").upper()):
            assert matcher.match(drawing(spelled)).structure == name


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("Lt Lung", ("lung_upper_lobe_left", "lung_lower_lobe_left")),
        ("kidney", ("kidney_left", "kidney_right")),
        ("Femur_Head_L", ("femur_left",)),
        ("Psoas li", ("iliopsoas_left",)),
        ("portal vein", ("portal_vein_and_splenic_vein",)),
        ("livr", ("liver",)),
        ("GTV_Mass_CT", ()),
        ("BODY", ()),
        ("liver left", ()),
        ("kidney left right", ()),
    ],
)
def test_what_is_not_exactly_one_structure_stays_unmatched(
    matcher: Matcher, name: str, candidates: tuple[str, ...]
) -> None:
    match = matcher.match(drawing(name))
    assert (match.structure, match.how) == (None, "unmatched")
    assert set(candidates) <= set(match.candidates)
    assert match.reason


def test_two_numbers_do_not_become_one(matcher: Matcher) -> None:
    assert matcher.match(drawing("Rib 1-2 left")).structure is None
    assert plain_key("rib 1 2") != plain_key("rib 12")


@pytest.mark.parametrize("name", ["heart", "spinal_cord", "vertebrae_T13", "sternum"])
def test_structures_of_other_class_maps_are_told_apart_from_unknown_words(
    matcher: Matcher, name: str
) -> None:
    match = matcher.match(drawing(name))
    assert (match.structure, match.how) == (None, "elsewhere")
    assert "not in the workspace's class map" in match.reason


def test_numbers_need_a_numbering(class_map: ClassMap, synonyms: Synonyms) -> None:
    by_verse = find_class_map("verse", CONFIGS).names_by_value
    by_ribseg = find_class_map("ribseg", CONFIGS).names_by_value
    alone = Matcher(class_map, synonyms)
    verse = Matcher(class_map, synonyms, numbering=by_verse)
    ribseg = Matcher(class_map, synonyms, numbering=by_ribseg)
    for each in (drawing("", value=20), drawing("20"), drawing("Segment_20", value=20)):
        assert alone.match(each).structure is None
        assert "--numbering" in alone.match(each).reason
        assert verse.match(each) == Match("vertebrae_L1", "number")
        assert ribseg.match(each) == Match("rib_right_8", "number")
    assert verse.match(drawing("", value=25)).how == "elsewhere"
    assert "does not have 99" in verse.match(drawing("", value=99)).reason
    assert verse.match(drawing("Liver", value=20)).structure == "liver"


def test_codes_with_their_side(matcher: Matcher) -> None:
    kidney, spleen = "64033007", "78961009"
    assert matcher.match(drawing("x", snomed=kidney, side="left")) == Match("kidney_left", "code")
    assert matcher.match(drawing("kidney", snomed=kidney, side="right")).structure == "kidney_right"
    assert matcher.match(drawing("Milz", snomed=spleen)) == Match("spleen", "name")
    both = matcher.match(drawing("x", snomed=kidney))
    assert both.structure is None
    assert set(both.candidates) == {"kidney_left", "kidney_right"}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Kidney left", "snomed": "64033007", "side": "right"},
        {"name": "kidney_left", "side": "right"},
        {"name": "liver", "snomed": "78961009"},
    ],
)
def test_a_name_and_a_code_that_disagree_match_nothing(
    matcher: Matcher, fields: dict[str, str]
) -> None:
    match = matcher.match(drawing(**fields))
    assert match.structure is None
    assert "says" in match.reason


def test_the_mapping_counts_before_anything_else(class_map: ClassMap, synonyms: Synonyms) -> None:
    mapping = {"Liver": "spleen", "BODY": "ignore", "undecided": "", "7": "aorta"}
    matcher = Matcher(class_map, synonyms, mapping)
    assert matcher.match(drawing("Liver")) == Match("spleen", "mapping")
    assert matcher.match(drawing("BODY")).how == "left out"
    assert matcher.match(drawing("undecided")).how == "unmatched"
    assert matcher.match(drawing("", value=7)) == Match("aorta", "mapping")
    assert label_of(drawing("", value=7)) == "7"


def test_an_id_in_a_files_name_is_no_part_of_the_structures(matcher: Matcher) -> None:
    assert matcher.match(drawing("s0011_liver")).structure is None
    assert matcher.match(drawing("s0011_liver"), called="liver").structure == "liver"


def test_keys() -> None:
    assert sided_key("Rib04_L") == NameKey("rib4", "left")
    assert sided_key("kidney") is None
    assert sided_key("left right") is None
    assert plain_key("Hüft-Knochen") == NameKey("hueftknochen")
    assert without_noise("Liver_Mask") == "Liver_"
    assert np.unique([plain_key(name).words for name in ("th 12", "Th12", "TH_12")]).size == 1

"""Wrong input is one line that names the field, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from wrong_files import STUDY, line_of

from mlctl_ray.config import RunConfig, StudyConfig, load_config, parse_yaml, validate
from mlctl_ray.errors import InputError


@pytest.fixture(autouse=True)
def _working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


FIELDS = [
    ("objectve: {}", "unknown field 'objectve'; did you mean 'objective'?"),
    ("data: {sede: 1}", "unknown field 'data.sede'; did you mean 'seed'?"),
    (
        "objective: {multi: {temprature: 1}}",
        "unknown field 'objective.multi.temprature'; did you mean 'temperature'?",
    ),
    (
        "data: {nli: {langauges: [en]}}",
        "unknown field 'data.nli.langauges'; did you mean 'languages'?",
    ),
    (
        "model: {scratch: {dmodel: 3}}",
        "unknown field 'model.scratch.dmodel'; did you mean 'd_model'?",
    ),
    (
        "scaling: {zzz: 3}",
        "unknown field 'scaling.zzz'; allowed: cpus_per_worker, gpus_per_worker, workers",
    ),
    (
        "objective: {multi: {weight: .nan}}",
        "objective.multi.weight: nan is wrong: input should be a finite number",
    ),
    (
        "objective: {multi: {weight: .inf}}",
        "objective.multi.weight: inf is wrong: input should be a finite number",
    ),
    (
        "objective: {multi: {weight: -1}}",
        "objective.multi.weight: -1 is wrong: input should be greater than or equal to 0",
    ),
    (
        "objective: {multi: {offset: .nan}}",
        "objective.multi.offset: nan is wrong: input should be greater than or equal to 0",
    ),
    (
        "objective: {label: {temperature: 0.001}}",
        "objective.label.temperature: 0.001 is wrong: "
        "input should be greater than or equal to 0.005",
    ),
    (
        "objective: {batch_size: 1}",
        "objective.batch_size: 1 is wrong: input should be greater than or equal to 2",
    ),
    (
        "objective: {levels: sentense}",
        "objective.levels.0: 'sentense' is wrong: "
        "input should be 'sentence', 'word', 'multi' or 'label'",
    ),
    (
        "objective: {levels: word+word}",
        "objective.levels: 'word+word' is wrong: each level once",
    ),
    (
        "objective: {levels: [[a]]}",
        "objective.levels: [['a']] is wrong: "
        "levels joined by +, of sentence, word, multi, label; or none",
    ),
    ("data: 3", "data: 3 is wrong: input should be a mapping of fields"),
    (
        "data: {nli: {languages: en}}",
        "data.nli.languages: 'en' is wrong: input should be a list",
    ),
    (
        "data: {nli: {languages: [en, en]}}",
        "data.nli.languages: ['en', 'en'] is wrong: needs one or more languages, each once",
    ),
    (
        "optimisation: {steps: many}",
        "optimisation.steps: 'many' is wrong: input should be a whole number",
    ),
    (
        "optimisation: {steps: 1.5}",
        "optimisation.steps: 1.5 is wrong: input should be a whole number",
    ),
    (
        "optimisation: {schedule: align}",
        "optimisation.schedule: 'align' is wrong: "
        "input should be 'joint', 'align_then_joint' or 'align_then_finetune'",
    ),
    (
        "model: {scratch: {}, verbalisers: [yes, no]}",
        "model.verbalisers: ['yes', 'no'] is wrong: needs three words",
    ),
    (
        "model: {scratch: {}, verbalisers: [yes, no, no]}",
        "model.verbalisers: ['yes', 'no', 'no'] is wrong: needs three different words",
    ),
    (
        "model: {scratch: {}, prompt: '{premise}'}",
        "model.prompt: '{premise}' is wrong: "
        "needs {premise} and {hypothesis}, may have {options}, nothing else",
    ),
]

COMBINATIONS = [
    (
        "scaling: {workers: 3}",
        "optimisation.batch_size 32 must divide over scaling.workers 3 "
        "(it is the batch over all workers)",
    ),
    (
        "scaling: {workers: 2}\nobjective: {batch_size: 33}",
        "objective.batch_size 33 must divide over scaling.workers 2 "
        "(it is the batch over all workers)",
    ),
    (
        "data: {alignment: none}\nobjective: {levels: word}",
        "objective.levels 'word' has a word level and needs aligned words: "
        "set data.alignment to 'gold' or 'lexicon'",
    ),
    (
        "data: {alignment: none}\nobjective: {levels: multi+label}",
        "objective.levels 'multi+label' has a word level and needs aligned words: "
        "set data.alignment to 'gold' or 'lexicon'",
    ),
    (
        "data: {lexicon: null}\nobjective: {levels: label}",
        "objective.levels 'label' has the label level, whose code-switched views need data.lexicon",
    ),
    (
        "data: {lexicon: null, alignment: lexicon}",
        "data: alignment 'lexicon' needs a lexicon (a folder or 'embedded')",
    ),
    (
        "data: {parallel: {path: opus}}",
        "data: alignment 'gold' needs parallel.path 'embedded', not 'opus'; "
        "allowed here: 'lexicon', 'none'",
    ),
    (
        "data: {parallel: {languages: [de, en]}}",
        "data: parallel.languages must not hold the source language 'en'",
    ),
    (
        "data: {parallel: null}\nobjective: {levels: sentence}",
        "objective.levels 'sentence' needs parallel text: set data.parallel",
    ),
    (
        "data: {parallel: null}\nobjective: {levels: none, span_corruption: {weight: 0.1}}",
        "objective.span_corruption.weight 0.1 needs parallel text: set data.parallel",
    ),
    (
        "data: {nli: {source: fr, languages: [en, de]}}",
        "data.nli: source 'fr' must be one of languages ('en', 'de')",
    ),
    (
        "model: {dropout: 0}",
        "model: set exactly one of name (hub id or folder) and scratch (sizes)",
    ),
    (
        "model: {name: google/flan-t5-small, scratch: {}}",
        "model: set exactly one of name (hub id or folder) and scratch (sizes)",
    ),
    (
        "model: {scratch: {encoder_layers: 2}, freeze_layers: 3}",
        "model: freeze_layers 3 is more than the 2 encoder layers",
    ),
]


@pytest.mark.parametrize(("text", "expected"), FIELDS + COMBINATIONS)
def test_a_wrong_run(text: str, expected: str) -> None:
    assert line_of(STUDY + text) == f"study.yaml: {expected}"


SPACES = [
    (
        "optimisation.learning_rat: {type: float, low: 0.1, high: 1}",
        "study.space: unknown field 'optimisation.learning_rat'; did you mean 'learning_rate'?",
    ),
    (
        "optimization.steps: {type: int, low: 1, high: 2}",
        "study.space: unknown field 'optimization.steps'; did you mean 'optimisation'?",
    ),
    (
        "optimisation.steps: {type: int, low: 2, high: 2}",
        "study.space.optimisation.steps: needs low < high (at least 1 for log), not 2, 2",
    ),
    (
        "optimisation.learning_rate: {type: log_float, low: 0, high: 1}",
        "study.space.optimisation.learning_rate: "
        "needs low < high (above 0 for log_float), not 0.0, 1.0",
    ),
    (
        "optimisation.learning_rate: {type: float, low: 3, high: 1}",
        "study.space.optimisation.learning_rate: "
        "needs low < high (above 0 for log_float), not 3.0, 1.0",
    ),
    (
        "optimisation.learning_rate: {type: float, low: 0.1, high: .inf}",
        "study.space.optimisation.learning_rate.high: inf is wrong: "
        "input should be a finite number",
    ),
    (
        "optimisation.learning_rate: {type: flaot, low: 0.1, high: 1}",
        "study.space.optimisation.learning_rate.type: 'flaot' is wrong: "
        "allowed: float, log_float, int, categorical, constant",
    ),
    (
        "optimisation.learning_rate: {low: 0.1, high: 1}",
        "study.space.optimisation.learning_rate: needs a type; "
        "allowed: float, log_float, int, categorical, constant",
    ),
    (
        "optimisation.learning_rate: {type: float, lo: 0.1, high: 1}",
        "unknown field 'study.space.optimisation.learning_rate.lo'; did you mean 'low'?",
    ),
    (
        "optimisation.learning_rate: {type: float, low: 0.1}",
        "field 'study.space.optimisation.learning_rate.high' is missing",
    ),
    (
        "objective.multi.temperature: {type: log_float, low: 0.001, high: 1}",
        "study.space: objective.multi.temperature: 0.001 is wrong: "
        "input should be greater than or equal to 0.005",
    ),
    (
        "objective.multi.weight: {type: float, low: 0, high: 1, or_infinity: true}",
        "study.space: objective.multi.weight: inf is wrong: input should be a finite number",
    ),
    (
        "optimisation.steps: {type: float, low: 100, high: 200}",
        "study.space: optimisation.steps: 138.2 is wrong: input should be a whole number",
    ),
    (
        "model.pooling: {type: categorical, choices: [mean, cls]}",
        "study.space: model.pooling: 'cls' is wrong: "
        "input should be 'mean', 'avg_first_last' or 'last'",
    ),
    (
        "seed: {type: int, low: 1, high: 2, when: {objective.levels: [multi]}}",
        "study.space.seed.when: 'objective.levels' must be a parameter declared before it",
    ),
    (
        "seed: {type: int, low: 1, high: 2, when: {model.pooling: [mean]}}, "
        "model.pooling: {type: categorical, choices: [mean, last]}",
        "study.space.seed.when: 'model.pooling' must be a parameter declared before it",
    ),
    (
        "model.pooling: {type: categorical, choices: [mean, last]}, "
        "seed: {type: int, low: 1, high: 2, when: {model.pooling: [means]}}",
        "study.space.seed.when.model.pooling: 'means' is not a value of that domain",
    ),
    ("", "study.space: needs 1 or more, not 0"),
]


@pytest.mark.parametrize(("space", "expected"), SPACES)
def test_a_wrong_space(space: str, expected: str) -> None:
    assert line_of(f"study: {{name: s, space: {{{space}}}}}") == f"study.yaml: {expected}"


SYNTAX = [
    ("a: [1\nb: 2", "not valid YAML (line 2, column 2): expected ',' or ']', but got ':'"),
    (
        "a:\n\tb: 1",
        "not valid YAML (line 2, column 1): found character '\\t' that cannot start any token",
    ),
    ("data: {seed: 1}\ndata: {seed: 2}", "not valid YAML (line 2, column 1): 'data' stands twice"),
    ("data: {seed: 1, seed: 2}", "not valid YAML (line 1, column 17): 'seed' stands twice"),
    (
        "a: !!python/name:os.system x",
        "not valid YAML (line 1, column 4): could not determine a "
        "constructor for the tag 'tag:yaml.org,2002:python/name:os.system'",
    ),
    ("[1, 2]", "must be a mapping of sections, not list"),
]


@pytest.mark.parametrize(("text", "expected"), SYNTAX)
def test_a_file_that_is_no_configuration(text: str, expected: str) -> None:
    assert line_of(text) == f"study.yaml: {expected}"


@pytest.mark.parametrize("assignment", ["steps", "=3", ".a=3", "a..b=3", "a.=3"])
def test_an_assignment_of_another_form(assignment: str) -> None:
    line = line_of(STUDY, assignment)
    assert line == f"--set {assignment!r}: write it as section.field=value"


def test_an_assignment_with_broken_yaml() -> None:
    line = line_of(STUDY, "data.nli.languages=[en")
    assert line.startswith("--set data.nli.languages: not valid YAML (line 1, column 4): ")


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"^missing\.yaml: no such file$"):
        load_config(RunConfig, "missing.yaml")


def test_a_file_that_is_not_text() -> None:
    Path("study.yaml").write_bytes(b"study: \xff")
    with pytest.raises(InputError, match=r"^study\.yaml: is not UTF-8 text \(byte 7\)$"):
        load_config(RunConfig, "study.yaml")


def test_words_that_yaml_1_1_takes_for_booleans_and_dates_stay_words() -> None:
    text = "model: {scratch: {}, verbalisers: [yes, maybe, no]}\ndata: {cache: 2025-01-31}"
    config = validate(RunConfig, parse_yaml(text, "text"), "text")
    assert config.model.verbalisers == ("yes", "maybe", "no")
    assert config.data.cache == "2025-01-31"


def test_numbers_are_those_of_yaml_1_2() -> None:
    assert parse_yaml("[1e-3, 1E5, .5, 2., -.inf, true, 7]", "text") == [
        0.001,
        1e5,
        0.5,
        2.0,
        float("-inf"),
        True,
        7,
    ]


def test_a_merged_mapping_may_be_overridden() -> None:
    tree = parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", "text")
    assert tree["b"] == {"x": 1, "y": 3}


def test_values_that_only_go_together_are_left_to_the_trial() -> None:
    space = "{optimisation.batch_size: {type: categorical, choices: [32, 33]}}"
    Path("study.yaml").write_text(
        f"scaling: {{workers: 2}}\nstudy: {{name: s, space: {space}}}", encoding="utf-8"
    )
    config = load_config(StudyConfig, "study.yaml")
    assert config.run_config({"optimisation.batch_size": 34}).optimisation.batch_size == 34
    with pytest.raises(InputError) as caught:
        config.run_config({"optimisation.batch_size": 33})
    assert str(caught.value) == (
        "parameters: optimisation.batch_size 33 must divide over scaling.workers 2 "
        "(it is the batch over all workers)"
    )
    with pytest.raises(InputError, match=r"^parameter: unknown field 'objective.tau'; allowed: "):
        config.run_config({"objective.tau": 1})

"""The workflows, checked without GitHub: valid, safe with untrusted pull requests, and true to the Makefile.

Each rule is a function that returns complaints, so that the tests can also show each rule failing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.pin_workflows import unpinned

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

# What a pull request's author can reach. `workflow_run` runs the default branch's own file.
TRUSTED_TRIGGERS = {"workflow_run"}

SAMPLE = """\
name: Sample
on:
  pull_request:
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2
        with:
          persist-credentials: false
      - run: make test
"""


def schema_complaints(schema: str, *files: Path) -> str:
    """Errors of the files against the vendored JSON schema; empty if valid. Works offline."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def load(text: str) -> dict[str, Any]:
    """A workflow as a dict; YAML 1.1 reads the key ``on`` as true."""
    workflow: dict[Any, Any] = yaml.safe_load(text)
    workflow["on"] = workflow.pop(True, workflow.get("on"))
    return workflow


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def writes(permissions: Any) -> bool:
    """Whether a ``permissions`` value grants any write."""
    if isinstance(permissions, dict):
        return "write" in permissions.values()
    return bool(permissions == "write-all")


def only_by_tags(workflow: dict[str, Any]) -> bool:
    """Whether nothing but a pushed tag starts a workflow: only who may write to the repository can push one."""
    on = workflow["on"]
    return isinstance(on, dict) and set(on) == {"push"} and set(on["push"] or {}) == {"tags"}


def safety_complaints(workflow: dict[str, Any]) -> list[str]:
    """The house rules for workflows in a repository that takes pull requests from strangers."""
    complaints = []
    triggers = {workflow["on"]} if isinstance(workflow["on"], str) else set(workflow["on"])
    scopes = [workflow.get("permissions")] + [job.get("permissions") for job in workflow["jobs"].values()]
    by_tags = only_by_tags(workflow)
    runs_untrusted_code = not triggers <= TRUSTED_TRIGGERS and not by_tags
    checks_out = any("actions/checkout" in step.get("uses", "") for step in steps(workflow))
    pushed = [
        step
        for job in workflow["jobs"].values()
        if job.get("if") == "github.event_name == 'push'"
        for step in job.get("steps", [])
    ]

    if "pull_request_target" in triggers:
        complaints.append("pull_request_target gives strangers' code our token")
    if workflow.get("permissions") is None:
        complaints.append("no top-level permissions: the default may write")
    if any(map(writes, scopes)) and (runs_untrusted_code or (checks_out and not by_tags)):
        complaints.append("write permission where a pull request's code can run")
    if by_tags and any(map(writes, scopes[:1])):
        complaints.append("write permission for every job")
    for job in workflow["jobs"].values():
        granted = job.get("permissions")
        if by_tags and writes(granted) and (granted == "write-all" or granted.get("contents") == "write"):
            complaints.append("a release may not write to the repository")
    for name, job in workflow["jobs"].items():
        if "timeout-minutes" not in job:
            complaints.append(f"job {name} has no timeout")
    for step in steps(workflow):
        if "${{" in step.get("run", ""):
            complaints.append(f"expression inside a script, pass it through env: {step['run']}")
        uses = step.get("uses", "")
        if re.match(r"actions/cache(/save)?@", uses) and runs_untrusted_code and step not in pushed:
            complaints.append("a cache is written where a pull request's code can run")
        if uses and not re.search(r"@[0-9a-f]{40}$", uses):
            complaints.append(f"action that is not pinned to a commit: {uses}")
        if "actions/checkout" in uses and step.get("with", {}).get("persist-credentials") is not False:
            complaints.append("checkout leaves the token on disk")
    return complaints


def makefile_targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, flags=re.MULTILINE))


def targets_in_script(script: str) -> set[str]:
    """The ``make`` targets in a shell text."""
    found: set[str] = set()
    for line in script.splitlines():
        for call in re.findall(r"(?:^|[\s;&|(])make((?:[ \t]+[^\s;&|#<>()]+)+)", line.partition("#")[0]):
            found |= {word for word in call.split() if not word.startswith("-") and "=" not in word}
    return found


def code_in_markdown(text: str) -> str:
    """Fenced blocks and inline code of a Markdown text: in prose, "make sure" is not a command."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```[^\n]*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*fenced, *re.findall(r"`([^`\n]+)`", prose)])


def targets_named_in(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yml":
        return {target for step in steps(load(text)) for target in targets_in_script(step.get("run", ""))}
    return targets_in_script(code_in_markdown(text) if path.suffix == ".md" else text)


def test_there_are_workflows() -> None:
    assert {path.name for path in WORKFLOWS} >= {"ci.yml", "nightly.yml", "pr-comment.yml", "release.yml"}


def test_configuration_follows_the_published_schemas() -> None:
    assert schema_complaints("github-workflows", *WORKFLOWS) == ""
    assert schema_complaints("dependabot", ROOT / ".github" / "dependabot.yml") == ""
    assert schema_complaints("citation-file-format", ROOT / "CITATION.cff") == ""


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(SAMPLE.replace("runs-on", "runs-somewhere"), encoding="utf-8")
    assert "runs-on" in schema_complaints("github-workflows", broken)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_is_safe_with_untrusted_pull_requests(path: Path) -> None:
    assert safety_complaints(load(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("pull_request:", "pull_request_target:", "pull_request_target"),
        ("permissions:\n  contents: read\n", "", "no top-level permissions"),
        ("contents: read", "pull-requests: write", "write permission"),
        ("permissions:\n  contents: read", "permissions: write-all", "write permission"),
        ("    timeout", "    permissions: {contents: write}\n    timeout", "write permission"),
        (
            "on:\n  pull_request:\npermissions:",
            "on: workflow_run\npermissions:\n  issues: write",
            "write permission",
        ),
        ("    timeout-minutes: 5\n", "", "no timeout"),
        ("make test", 'echo "${{ github.head_ref }}"', "expression inside a script"),
        ("checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd", "checkout@main", "pinned to a commit"),
        ("checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd", "checkout@v6", "pinned to a commit"),
        ("persist-credentials: false", "fetch-depth: 0", "token on disk"),
        ("- run: make test", "- uses: actions/cache@cdf6c1fa76f9f475f3d7449005a359c84ca0f306", "cache is written"),
        ("- run: make test", "- uses: actions/cache/save@cdf6c1fa76f9f475f3d7449005a359c84ca0f306", "cache is written"),
    ],
)
def test_each_safety_rule_can_fail(old: str, new: str, complaint: str) -> None:
    assert safety_complaints(load(SAMPLE)) == []
    assert old in SAMPLE
    [found] = safety_complaints(load(SAMPLE.replace(old, new)))[:1]
    assert complaint in found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_with_its_version_as_comment(path: Path) -> None:
    """Without the comment Dependabot would raise the commit alone, and nobody could read which version it is."""
    assert unpinned(path.read_text(encoding="utf-8")) == []


def test_one_version_of_an_action_has_one_commit() -> None:
    lines = {
        line for path in WORKFLOWS for line in re.findall(r"uses: (\S+@\S+ # \S+)", path.read_text(encoding="utf-8"))
    }
    versions = {re.sub(r"^([^/]+/[^/@]+)[^@]*@\S+", r"\1", line) for line in lines}
    commits = {re.sub(r"^([^/]+/[^/@]+)[^@]*", r"\1", line) for line in lines}
    assert len(versions) == len(commits) >= 4


def test_dependabot_raises_actions_and_libraries() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "pip"}


def test_only_the_comment_and_a_release_may_write() -> None:
    writers = set()
    for path in WORKFLOWS:
        workflow = load(path.read_text(encoding="utf-8"))
        if any(
            map(
                writes,
                [workflow.get("permissions"), *(j.get("permissions") for j in workflow["jobs"].values())],
            )
        ):
            writers.add(path.name)
    assert writers == {"pr-comment.yml", "release.yml"}


RELEASE = SAMPLE.replace("  pull_request:\n", "  push:\n    tags: ['v*']\n").replace(
    "    timeout-minutes: 5\n", "    timeout-minutes: 5\n    permissions:\n      id-token: write\n"
)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("    tags: ['v*']", "    branches: [main]", "write permission where"),
        ("    tags: ['v*']", "    tags: ['v*']\n    branches: [main]", "write permission where"),
        ("    tags: ['v*']\n", "    tags: ['v*']\n  pull_request:\n", "write permission where"),
        ("permissions:\n  contents: read", "permissions:\n  packages: write", "for every job"),
        ("      id-token: write", "      contents: write", "may not write to the repository"),
        (
            "\n    permissions:\n      id-token: write",
            "\n    permissions: write-all",
            "may not write to the repository",
        ),
    ],
)
def test_a_release_writes_only_where_it_must(old: str, new: str, complaint: str) -> None:
    assert safety_complaints(load(RELEASE)) == []
    assert old in RELEASE
    assert any(complaint in found for found in safety_complaints(load(RELEASE.replace(old, new))))


def test_a_release_publishes_what_was_tested_and_checked() -> None:
    """The files that are published are those that one job has tested, built and compared with git, in this order."""
    jobs = load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    done = [step.get("run", step.get("uses", "")) for step in jobs["build"]["steps"]]
    order = ["make release-check", "make test", "make dist", "actions/upload-artifact"]
    places = [next(i for i, text in enumerate(done) if text.startswith(one)) for one in order]
    assert places == sorted(places)
    for name in ("pypi", "site", "image"):
        assert jobs[name]["needs"] == "build"
    publishing = [step["uses"].partition("@")[0] for step in jobs["pypi"]["steps"]]
    assert publishing == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]
    assert jobs["pypi"]["permissions"] == {"id-token": "write"}


def test_issue_forms_ask_for_the_doctor_and_a_small_file() -> None:
    """GitHub has no published schema for its forms: what they must have is here."""
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert len(forms) == 2
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(form)
        fields = {field["id"]: field["attributes"]["label"] for field in form["body"]}
        assert "somanet doctor" in fields["doctor"]
        assert "small file" in fields["file"].lower()
        assert all(field["type"] in ("textarea", "input", "dropdown", "checkboxes") for field in form["body"])
    template = (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    assert "somanet doctor" in template
    assert "small file" in template


def test_the_image_runs_as_nobody_special_and_has_only_the_package() -> None:
    """No Docker runs where these tests do."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split()[0] for line in lines if line and line[0].isalpha()]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "USER somanet" in lines
    assert [line for line in lines if re.match(r"FROM \S+(:latest)?( |$)", line) and ":3" not in line] == []
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "*" in let_in
    for name in ("somanet", "pyproject.toml", "README.md", "LICENSE", "LICENSES", "NOTICE", "constraints"):
        assert f"!{name}" in let_in
        assert (ROOT / name).exists()
    assert "formats = [" in project
    python = re.search(r"^FROM python:(3\.\d+)-", "\n".join(lines), re.MULTILINE)
    assert python is not None
    assert f"constraints/py{python[1]}.txt" in "\n".join(lines)


@pytest.mark.parametrize(
    "path",
    [*WORKFLOWS, ROOT / ".ci" / "run", ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "ci.md"],
    ids=lambda path: path.name,
)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    assert targets_named_in(path) <= makefile_targets((ROOT / "Makefile").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "run",
            "make test  # then make tea\nCI=1 make -j2 lint types DATA=x && make check | tee log",
            "test lint types check",
        ),
        ("a.md", "We make sure, with `make demo`:\n```\n$ make real DATA=mine\n```\n", "demo real"),
        ("a.yml", SAMPLE, "test"),
    ],
)
def test_named_targets_are_found(tmp_path: Path, name: str, text: str, expected: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert targets_named_in(path) == set(expected.split())


def test_ci_uses_the_commands_that_people_use() -> None:
    """CI that runs its own commands drifts from what a contributor can run."""
    named = set().union(*map(targets_named_in, WORKFLOWS))
    assert {
        "setup",
        "test",
        "check",
        "repro",
        "repro-again",
        "base",
        "base-key",
        "report",
        "test-slow",
        "test-wild",
        "test-kill",
        "study",
        "audit",
        "pin-workflows",
        "constraints",
        "dist",
        "release-check",
        "image",
    } <= named
    assert "test" in targets_named_in(ROOT / ".ci" / "run")


def test_every_target_is_explained_by_make_help() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make (\S+) +\S", done.stdout, flags=re.MULTILINE))
    assert listed == makefile_targets((ROOT / "Makefile").read_text(encoding="utf-8"))


# The results that pull requests compare with


def test_a_pull_request_reads_what_main_has_left() -> None:
    """The same files are restored and saved under the same key, made of commit, machine and libraries."""
    jobs = load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    [restored] = [step for step in jobs["repro"]["steps"] if "cache/restore" in step.get("uses", "")]
    [saved] = [step for step in jobs["results"]["steps"] if "cache/save" in step.get("uses", "")]
    assert restored["with"] == saved["with"]
    for name, step in (("repro", restored), ("results", saved)):
        before = jobs[name]["steps"][: jobs[name]["steps"].index(step)]
        [naming] = [earlier for earlier in before if earlier.get("id") == "base"]
        assert "make --silent base-key" in naming["run"]
    assert (jobs["repro"]["if"], jobs["results"]["if"]) == (
        "github.event_name != 'push'",
        "github.event_name == 'push'",
    )


def test_the_branch_starts_from_an_empty_cache() -> None:
    """DVC's cache of main would hide the effect of a change in undeclared code: nothing is restored before the run."""
    steps_of = load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]["repro"]["steps"]
    names = [step.get("run", step.get("uses", "")) for step in steps_of]
    assert names.index("make repro TIMED=1") < min(i for i, name in enumerate(names) if "cache/restore" in name)

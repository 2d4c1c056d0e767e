"""The grammar of the command line: every verb with its arguments and options, as one table.

A verb names the function of this package that carries it out (``module:function``); the module is loaded when the verb is
called.  The function gets one keyword argument for each argument and option of the verb.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

EPILOG = (
    "Exit codes: 0 done, 1 gate failed, 2 bad input, 3 infrastructure, 4 rolled back, 75 waiting for approval or for the Job of "
    "--in-cluster, 130 stopped."
)
DESCRIPTION = "Takes a commit to production: gated stages, a canary rollout, automatic rollback."


# Where the metrics are served.
METRICS_PORT = 9845
# Where the judge listens for Flagger.
JUDGE_ADDRESS = "0.0.0.0:8080"
_LAST_PORT = 65535


class Parameter(NamedTuple):
    """One argument or option.  ``flag`` is empty for an argument; ``metavar`` is empty for a switch, which takes no value.

    A switch that is on by default has a second form that turns it off, ``--no-...``.  A repeated one gives a tuple.  ``alone`` is
    the value of an option that stands without one, None when it needs one.
    """

    name: str
    flag: str
    help: str
    metavar: str = ""
    default: Any = ""
    read: Callable[[str], Any] = str
    required: bool = False
    repeated: bool = False
    alone: Any = None


class Verb(NamedTuple):
    """One command: ``run`` is ``module:function`` below ``dawsos.cli``, ``example`` a command line that works."""

    name: str
    group: str
    run: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    example: str = ""
    more: str = ""

    @property
    def summary(self) -> str:
        """The first clause of the help, for a list of verbs."""
        return re.split("[.;:] ", self.help)[0].rstrip(".") + "."


def natural(text: str) -> int:
    """Return a whole number of at least 0; raises argparse.ArgumentTypeError."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def whole(text: str) -> int:
    """Return a whole number; raises argparse.ArgumentTypeError."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def port(text: str) -> int:
    """Return the number of a port, 0 for any free one; raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port; the metrics are served on 127.0.0.1 and nowhere else"
        )
    return int(text)


JSON = Parameter("as_json", "--json", "Print JSON instead of text.")
PROFILE = Parameter(
    "profile",
    "--profile",
    "Settings of rollout and environments: laptop, production, or another profile of pipeline.yaml.",
    "NAME",
    "laptop",
)
NO_CACHE = Parameter("no_cache", "--no-cache", "Run every stage, restore none; a ship also migrates and seeds again.")
LAST_RUN = Parameter("run_id", "", "A run's id, or its beginning or end.", "RUN", "last")
OUT = Parameter("out", "--out", "The JSON file to write.", "FILE", None, Path, required=True)
TRAFFIC = Parameter("traffic", "--traffic", "Requests a second in all.", "RATE", "200rps")

_DELIVER, _LOOK, _DECIDE, _OPERATE, _WRITE, _JUDGE = (
    "Take a commit to production", "Look", "Decide", "Operate production", "Write a pipeline", "Judge rollouts",
)  # fmt: skip

VERBS: tuple[Verb, ...] = (
    Verb(
        "ship", _DELIVER, "running:ship", "Take HEAD through every stage to 100 % of production.",
        (
            Parameter(
                "stages", "",
                "Only these stages and what they need, in one of several jobs; what another job did is restored. Default: all.",
                "STAGE", repeated=True,
            ),
            Parameter("approve_as", "--approve-as", "Give the product owner's approval beforehand, as this person.", "NAME"),
            Parameter("reason", "--reason", "Why; needed with --approve-as.", "TEXT"),
            PROFILE,
            NO_CACHE,
            Parameter("hotfix", "--hotfix", "Skip the stages marked hotfix_skips; the text is the recorded reason.", "REASON"),
            Parameter(
                "in_cluster", "--in-cluster",
                "Let a Job of production's namespace conduct the canary, and end here with 75 once it has begun.",
            ),
            Parameter("wait", "--wait", "With --in-cluster: show what the Job does, and end with its exit code."),
        ),
        example='dawsos ship --approve-as "Ada" --reason "sprint 12, demo accepted"',
    ),
    Verb(
        "run", _DELIVER, "running:run",
        "Run stages on the working tree as it is, uncommitted changes included; nothing is deployed.",
        (
            Parameter(
                "stages", "", "Stage ids; what they need runs as well. Default: all command stages without an environment.", "STAGE",
                repeated=True,
            ),
            NO_CACHE,
            Parameter("seed", "--seed", "Replay with the seed that an earlier run's gate shows.", "NUMBER", None, natural),
            PROFILE,
        ),
        example="dawsos run lint unit",
    ),
    Verb(
        "resume", _DELIVER, "running:resume",
        "Go on with a ship, run, drill or rollback that was killed, interrupted or waiting for an approval.",
        (
            Parameter("run_id", "", "A run's id. Default: the newest unfinished run.", "RUN"),
            Parameter("conduct_here", "--here", "Conduct the rollout in this process, also when it was given to a Job."),
        ),
    ),
    Verb(
        "results save", _DELIVER, "results:save",
        "Write what the runs of HEAD kept to one file: for the next job, on another machine.",
        (Parameter("target", "", "The file to write.", "FILE", None, Path, required=True), JSON),
        example="dawsos results save results.tar.gz",
        more="It has the results of stages with their signed statements, the releases that were built, and public keys; no private "
        "key, no secret and no data of an environment.",
    ),
    Verb(
        "results load", _DELIVER, "results:load",
        "Take in the results that other jobs saved; `dawsos ship` restores those that are signed by a key that is believed here.",
        (Parameter("sources", "", "Files of `dawsos results save`.", "FILE", None, Path, required=True, repeated=True), JSON),
        example="dawsos results load results.tar.gz",
        more="Believed are the own key (of DAWSOS_SIGNING_KEY, or in .dawsos/keys), public keys there or in DAWSOS_TRUSTED_KEYS, and "
        "keys with a certificate of the identity that pipeline.yaml names (signing). A file that is damaged or holds anything else "
        "is refused as a whole.",
    ),
    Verb(
        "plan", _LOOK, "reading:plan", "Show which stages would run, be restored from the cache or be skipped, and why.",
        (
            Parameter("stages", "", "Stage ids, as for `dawsos run`. Default: what `dawsos ship` does.", "STAGE", repeated=True),
            Parameter("of_ship", "--ship", "Show what `dawsos ship STAGE ...` does."),
            Parameter("explain", "--explain", "Name every input that changed."),
            PROFILE,
            JSON,
        ),
    ),
    Verb("status", _LOOK, "reading:status", "Show which releases serve, which processes run, and which runs are unfinished.", (JSON,)),
    Verb("history", _LOOK, "reading:history", "List the runs, the newest last.", (JSON,)),
    Verb(
        "show", _LOOK, "reading:show",
        "Show one run: stages, gates, rollout, approvals, and whether its journal is intact.", (LAST_RUN, JSON),
    ),
    Verb(
        "evidence", _LOOK, "reading:evidence",
        "List the signed statements about a release; with --verify, exit with 1 when one does not hold.",
        (
            Parameter("release", "", "A release, commit or run.", "RELEASE", "last"),
            Parameter("check", "--verify", "Check signatures, digests, approvals and waivers."),
            JSON,
        ),
    ),
    Verb(
        "verify", _LOOK, "reading:verify",
        "Check production: version of /health, latest page, nightly order, metrics, a trace, alerts, dashboards; and every journal's "
        "chain.", (JSON,),
        more="What observability in pipeline.yaml does not name is 'not checked'; the exit code stays 0. An environment that is "
        "down (after dawsos down, or a restart of the machine) is started from its data first.",
    ),
    Verb(
        "metrics", _LOOK, "reading:metrics",
        "Print the metrics of runs, stages, gates and rollouts for Prometheus; with --listen, serve them on this machine.",
        (
            Parameter(
                "listen", "--listen",
                "Serve them on 127.0.0.1 until Ctrl-C, with /targets for service discovery. "
                f"Without a number {METRICS_PORT}; 0 takes a free port.",
                "PORT", None, port, alone=METRICS_PORT,
            ),
        ),
        more="docs/metrics.md explains every metric and how Prometheus gets them.",
        example="dawsos metrics --listen",
    ),
    Verb(
        "approve", _DECIDE, "deciding:approve",
        "Approve the digest that a waiting run asks for; `dawsos resume` then goes on.",
        (
            LAST_RUN,
            Parameter("name", "--as", "Who approves.", "NAME", required=True),
            Parameter("reason", "--reason", "Why.", "TEXT"),
        ),
        example='dawsos approve --as "Ada" --reason "demo accepted"',
    ),
    Verb(
        "reject", _DECIDE, "deciding:reject",
        "Reject the digest that a waiting run asks for; nothing of it goes to production.",
        (
            LAST_RUN,
            Parameter("name", "--as", "Who rejects.", "NAME", required=True),
            Parameter("reason", "--reason", "Why.", "TEXT", required=True),
        ),
        example='dawsos reject --as "Ada" --reason "totals are wrong"',
    ),
    Verb(
        "rollback", _OPERATE, "running:rollback",
        "Bring production back at once: end a rollout under way, or return to the release before.",
        (
            Parameter("to", "--to", "A release digest or commit. Default: the release before.", "RELEASE"),
            Parameter("name", "--as", "Who asks for it. Default: the name of your account.", "NAME"),
            Parameter("reason", "--reason", "Why.", "TEXT", "asked for by hand"),
            Parameter("tag", "--tag", "Tag the commit that serves then: rollback-YYYYMMDD-HHMM."),
        ),
        example='dawsos rollback --reason "wrong totals on the dashboard"',
    ),
    Verb(
        "drill", _OPERATE, "running:drill",
        "Prove the rollback: roll out the serving release with a fault on the canary, which must be rolled back (exit code 4).",
        (
            Parameter(
                "fault", "--fault", "errors=5%, status=404, latency=2s, slow=3%, hang=2%, empty, reset=5%, "
                "errors=5%@/path, crash, exit, memory, a name of "
                "service.drills, or none.",
                "FAULT", required=True,
            ),
            PROFILE,
        ),
        example="dawsos drill --fault errors=5%",
    ),
    Verb(
        "down", _OPERATE, "deciding:down",
        "Stop every process of every environment of this machine, or one environment wherever it is: a cluster is left alone unless "
        "its environment is named. Journal, cache and data stay; --purge deletes the data.",
        (
            Parameter("environment", "", "The environment to take down. Default: all of this machine.", "NAME"),
            Parameter("purge", "--purge", "Delete the data of the environments as well: databases, folders, passwords."),
        ),
    ),
    Verb(
        "admission", _OPERATE, "serving:admission",
        "Serve a cluster: refuse pods whose images nobody signed for. docs/images.md has its manifests.",
        (
            Parameter("keys", "--keys", "The folder of the keys to believe: *.pub.", "FOLDER", None, Path, required=True),
            Parameter("tls", "--tls", "The folder with its certificate: tls.crt and tls.key.", "FOLDER", None, Path, required=True),
            Parameter("environment", "--environment", "The environment whose gates count.", "NAME", "production"),
            Parameter("allowed", "--allow", "A file with images that need no statement: NAME@sha256:... lines.", "FILE", None, Path),
            Parameter("listen", "--listen", "The port to listen on.", "PORT", 8443, natural),
            Parameter("context", "--context", "The context of the kubeconfig. Default: the pod's own account.", "NAME", "in-cluster"),
        ),
        example="dawsos admission --keys /keys --tls /tls",
    ),
    Verb(
        "init", _WRITE, "writing:init",
        "Write the first pipeline.yaml of the project in this folder, from what it has; overwrites nothing.",
        (
            Parameter("kind", "--kind", "The kind of project, where it is of several. Default: the first that is found.", "KIND"),
            Parameter("app", "--app", "The service's application, module:object, or none. Default: the one that is found.", "APP"),
            Parameter("health", "--health", "The page that answers 200 when the service is healthy. Default: what is found.", "PAGE"),
            Parameter("tests", "--tests", "Where the tests are, or none. Default: what is found.", "PATH"),
            Parameter(
                "baseline", "--baseline",
                "Run the stages once, and write what they find as exceptions with an end, so that only what is new is red.",
            ),
            Parameter("lists", "--lists", "Make the lists of packages anew from the project's lock, and nothing else."),
            Parameter("needs", "--with", "A package that the tests need beside what the project asks for.", "PACKAGE", repeated=True),
        ),
        example='dawsos init && git add . && git commit -m "dawsos" && dawsos run',
    ),
    Verb(
        "lint", _WRITE, "writing:lint",
        "Check pipeline.yaml and show what it means; or show what a Flagger manifest really does, by simulation.",
        (
            Parameter("manifest", "", "A Flagger Canary to read instead.", "FLAGGER.yaml"),
            Parameter("fix", "--fix", "Upgrade a pipeline.yaml of an older version in place first; comments stay."),
            Parameter("traffic", "--traffic", "Requests a second in all, to simulate the manifest with.", "RATE", "200rps"),
            JSON,
        ),
    ),
    Verb(
        "export", _WRITE, "writing:export",
        "Write files for other tools from pipeline.yaml: CI workflows, Flagger manifests, alert rules, dashboards.",
        (
            Parameter(
                "names", "", "github-actions, gitlab-ci, flagger, alerts, grafana. Default: the exports in pipeline.yaml.", "NAME",
                repeated=True,
            ),
            Parameter("check", "--check", "Write nothing; show what differs, and exit with 1 when something does."),
            Parameter("out", "--out", "The folder to write to. Default: the project's.", "FOLDER", None, Path),
            JSON,
        ),
        example="dawsos export github-actions",
    ),
    Verb(
        "simulate", _JUDGE, "judging:simulate",
        "Simulate rollouts: time to rollback, failed requests and false rollbacks, compared with thresholds and Flagger.",
        (
            Parameter("policy", "", "production, a profile of pipeline.yaml, or a Flagger manifest.", "POLICY", "production"),
            TRAFFIC,
            Parameter(
                "scenario", "--scenario",
                "errors=5%, latency=2s, slow=3%, late=5%, aa, burst, outage-both ...; repeatable. Default: aa and errors=5%.",
                "SCENARIO", repeated=True,
            ),
            Parameter("rollouts", "--rollouts", "How many.", "NUMBER", 1000, whole),
            Parameter("seed", "--seed", "The same seed gives the same rollouts.", "NUMBER", 7, whole),
            Parameter("picture", "--picture", "Write the curves to this SVG file.", "FILE"),
            JSON,
        ),
        example="dawsos simulate --traffic 200rps --scenario errors=5% --scenario burst",
    ),
    Verb(
        "replay", _JUDGE, "judging:replay",
        "Judge a recorded rollout again with each judge: when would it have been rolled back?",
        (
            LAST_RUN,
            Parameter("policy", "--policy", "production, a profile, or a Flagger manifest. Default: the run's.", "POLICY"),
            JSON,
        ),
    ),
    Verb(
        "judge", _JUDGE, "judging:judge",
        "Judge Flagger's canary every second, beside Flagger: answer its webhooks, and cut the route on proof.",
        (
            Parameter(
                "listen", "--listen", f"Where Flagger reaches it: {JUDGE_ADDRESS} is every address of this machine or pod.",
                "ADDRESS:PORT", JUDGE_ADDRESS,
            ),
            Parameter(
                "context", "--context", "The context of the kubeconfig. Default: the pod's own rights, or the environment's.", "NAME",
            ),
        ),
        more="What to watch stands in exports.flagger of pipeline.yaml, and how in its rollout. docs/exports.md says what it needs.",
        example="dawsos judge --listen 0.0.0.0:8080",
    ),
    Verb(
        "scan secrets", "Make evidence for the gates", "scan:secrets",
        "Look for keys, tokens and passwords in commits and files; the report never has a secret.",
        (
            Parameter("folders", "", "Folders to look through. Default: what git tracks here.", "FOLDER", read=Path, repeated=True),
            OUT,
            Parameter("since", "--since", "Look at the commits after this revision. Default: all.", "REVISION"),
            Parameter("commits", "--commits", "Look at commits, not only at files.", default=True),
        ),
        example="dawsos scan secrets --out $ARTIFACTS/secrets.json",
    ),
    Verb(
        "scan advisories", "Make evidence for the gates", "scan:advisories",
        "Compare locked packages with an exported advisory database (OSV).",
        (
            OUT,
            Parameter("export", "--export", "An OSV export: .json, .jsonl, .jsonl.gz or .zip.", "FILE", None, Path, required=True),
            Parameter(
                "resolved", "--resolved", "The locked packages: requirements.txt, package-lock.json or an SBOM.",
                "FILE", None, Path, required=True,
            ),
            Parameter("ecosystem", "--ecosystem", "The packages' ecosystem, as OSV names it.", "NAME", "PyPI"),
        ),
        example="dawsos scan advisories --export pypi.jsonl.gz --resolved requirements.txt --out $ARTIFACTS/osv.json",
    ),
    Verb(
        "scan packages", "Make evidence for the gates", "scan:packages",
        "Write the SPDX bill of materials of installed Python packages, or of what a lock names.",
        (
            Parameter(
                "source", "",
                "A folder of Python packages; or package-lock.json, go.mod, go.sum, what mvn dependency:list -DoutputFile wrote.",
                "FOLDER_OR_LOCK", None, Path, required=True,
            ),
            OUT,
            Parameter("name", "--name", "The name of what the bill of materials describes.", "NAME", "bundle"),
            Parameter("version", "--version", "Its version, for example the commit.", "VERSION", "0"),
        ),
        example="dawsos scan packages $RELEASE/site --name backend --version $GIT_SHA --out $ARTIFACTS/sbom.json",
    ),
)  # fmt: skip

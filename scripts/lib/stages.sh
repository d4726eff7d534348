# shellcheck shell=bash
# Runs named stages one after the other, keeps their logs, and counts tests. Sourced by scripts/test after common.sh.
#
# A stage is a function `stage_NAME`; its first failing command ends it. Tests are counted from what the runners report,
# never from what we expect of them.

LOGS=$PROJECT_ROOT/target/test-logs
PASSED=0 FAILED=0 SKIPPED=0
STAGE_LOG_LINES=60 STAGE_PID=''

# For INT and TERM: ends the running stage with all that it started, and then the run.
cancel_stage() {
    trap '' INT TERM
    printf 'cancelled\n'
    if [ -n "$STAGE_PID" ]; then
        kill -TERM "$STAGE_PID" 2>/dev/null || true
        wait "$STAGE_PID" || true
    fi
    timeout 60 "$PROJECT_ROOT/scripts/test" __stage leftovers >/dev/null 2>&1 || true
    exit 130
}

# run_stage NAME SECONDS REMEDY: returns 1 when the stage failed, after showing the end of its log.
run_stage() {
    local name=$1 seconds=$2 remedy=$3 log started status=0
    log=$LOGS/$name.log
    started=$SECONDS
    printf '==> %s\n' "$name"
    # A shell of its own: `set -e` holds in it, and the deadline reaches everything that it starts.
    timeout --kill-after=20 "$seconds" "$PROJECT_ROOT/scripts/test" __stage "$name" >"$log" 2>&1 &
    STAGE_PID=$!
    wait "$STAGE_PID" || status=$?
    STAGE_PID=''
    count_tests "$name"
    if [ "$status" = 0 ]; then
        printf '    ok, %s s\n' "$((SECONDS - started))"
        return 0
    fi
    tail -n "$STAGE_LOG_LINES" "$log" | sed 's/^/    | /'
    [ "$status" != 124 ] || printf '    stage %s was ended after %s s\n' "$name" "$seconds"
    printf '    FAILED: stage %s (status %s, %s s), log: %s\n' "$name" "$status" "$((SECONDS - started))" "${log#"$PROJECT_ROOT"/}"
    printf '    remedy: %s\n' "$remedy"
    return 1
}

# report_tests PASSED FAILED SKIPPED: called inside a stage, once per runner.
report_tests() { printf '%s %s %s\n' "$@" >>"$LOGS/$STAGE.counts"; }

count_tests() {
    local passed failed skipped
    [ -e "$LOGS/$1.counts" ] || return 0
    while read -r passed failed skipped; do
        PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    done <"$LOGS/$1.counts"
}

# count_cargo LOG: sums the lines `test result: ...` of cargo test.
count_cargo() {
    # shellcheck disable=SC2046 # three numbers
    report_tests $(awk '/^test result: / { for (i = 1; i < NF; i++) { n = $i + 0
            if ($(i + 1) ~ /^passed/) p += n; if ($(i + 1) ~ /^failed/) f += n; if ($(i + 1) ~ /^ignored/) s += n } }
        END { print p + 0, f + 0, s + 0 }' "$1")
    sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$1" >>"$LOGS/failed"
}

# count_nextest LOG [chosen]: the line `Summary [...] 13 tests run: 12 passed (1 slow), 1 failed, 0 skipped`. Where tests were
# chosen, those that were not are no skipped ones.
count_nextest() {
    # shellcheck disable=SC2046 # three numbers
    report_tests $(sed -n 's/.*Summary \[[^]]*\] *//p' "$1" | tail -n 1 | tr ',:(' '\n' | awk -v chosen="${2:-}" '
        $2 == "passed" { p = $1 } $2 == "skipped" && !chosen { s = $1 }
        $2 == "failed" || $2 == "timed" || $2 == "exec" { f += $1 } END { print p + 0, f + 0, s + 0 }')
    # Whatever was not good at once is listed below the summary.
    sed -n '/^ *Summary \[/,$p' "$1" |
        sed -nE 's/^ *(TRY [0-9]+ )?(FAIL|TIMEOUT|ABORT|SIG[A-Z]+) \[[^]]*\] *(\([^)]*\))? *//p' >>"$LOGS/failed"
    sed -n '/^ *Summary \[/,$p' "$1" | sed -nE 's/^ *FLAKY [0-9/]+ \[[^]]*\] *(\([^)]*\))? *//p' >>"$LOGS/flaky"
    failures "$1"
}

FAILURE_LOG_LINES=60 FAILURE_LINE_CHARS=300

# failures LOG: what each test that failed under nextest printed, as the end of the stage's log.
failures() {
    awk -v most="$FAILURE_LOG_LINES" -v wide="$FAILURE_LINE_CHARS" '
        /^ *(TRY [0-9]+ )?(PASS|SLOW|START|RUN|SETUP|DELAY|FLAKY) / || /^ *Summary \[/ { shown = 0 }
        /^ *Summary \[/ { over = 1 }
        /^ *(TRY [0-9]+ )?(FAIL|TIMEOUT|ABORT|SIG[A-Z]+) \[/ { shown = over ? 0 : most }
        shown > 0 { print substr($0, 1, wide); shown-- }' "$1"
}

# count_seeds LOG: the line `100 seeds of 300 steps from 0 in 27.0 s: 0 failed [] ...`; each seed is a test.
count_seeds() {
    local played failed
    played=$(sed -n 's/^\([0-9]*\) seeds of .*/\1/p' "$1" | tail -n 1)
    failed=$(sed -n 's/^[0-9]* seeds of [^:]*: \([0-9]*\) failed.*/\1/p' "$1" | tail -n 1)
    printf '%s\n' "${played:-0}" >"$LOGS/seeds"
    report_tests "$((${played:-0} - ${failed:-0}))" "${failed:-1}" 0
}

# count_json FILE PASSED FAILED SKIPPED: expressions over the report `r` of a runner of JavaScript tests.
count_json() {
    # shellcheck disable=SC2046 # three numbers
    report_tests $(node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
        console.log(process.argv.slice(2).map(e => Function("r", "return " + e)(r)).join(" "))' "$@")
}

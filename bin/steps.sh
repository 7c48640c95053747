# Sourced by bin/test and bin/lint: runs named steps, counts what they report, and prints the table at the end.

step_names=() step_seconds=() step_results=() red_logs=()
passed_in_all=0 failed_in_all=0
logs=${CARGO_TARGET_DIR:-$root/target}/steps

# The sum of the numbers before a word, over all lines of a pattern.
sum() { sed -nE "$1" "$2" | awk '{ total += $1 } END { print total + 0 }'; }

# step NAME COMMAND...: runs it, shows its output and keeps it in target/steps.
step() {
  local name=$1 begun=$SECONDS status passed failed log
  shift
  mkdir -p "$logs"
  log=$logs/${name// /-}.log
  printf '\n== %s\n' "$name"
  set +e
  (
    set -e
    "$@"
  ) 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  set -e
  # Colours would hide the numbers.
  sed -i.bak -E $'s/\x1b\\[[0-9;]*m//g' "$log" && rm -f "$log.bak"
  # cargo test, vitest, and the browser tests' lines of `ok` and `FAIL`; a step that counts nothing is one check.
  passed=$(($(sum 's/^test result: .* ([0-9]+) passed;.*/\1/p' "$log") +
    $(sum 's/^ *Tests .*[^0-9]([0-9]+) passed.*/\1/p' "$log") + $(grep -c '^ok ' "$log" || true)))
  failed=$(($(sum 's/^test result: .*; ([0-9]+) failed;.*/\1/p' "$log") +
    $(sum 's/^ *Tests .*[^0-9]([0-9]+) failed.*/\1/p' "$log") + $(grep -c '^FAIL ' "$log" || true)))
  if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  if [ "$status" -eq 0 ] && [ $((passed + failed)) -eq 0 ]; then passed=1; fi
  record "$name" $((SECONDS - begun)) "$passed" "$failed"
  if [ "$failed" -ne 0 ]; then red_logs+=("$log"); fi
}

# Why a step is red, from its log: of each test that failed its panic and where in our code it was, the browser tests' lines, else
# the log's end.
why() {
  local told
  told=$(awk '/^---- .* stdout ----$/ { test = 1; print; next } /^failures:$/ { test = 0 } /^FAIL / { print }
    test && / panicked at / { panic = 1 } /^stack backtrace:$|^note: / { panic = 0 }
    test && (panic || /^ +at \.\//) { print }' "$1")
  if [ -n "$told" ]; then printf '%s\n' "$told" | cut -c 1-1500 | sed -n '1,200p'; else tail -n 40 "$1"; fi
}

did_not_run() {
  printf '\n== %s\ndid not run: %s\n' "$1" "$2"
  record "$1 (did not run)" 0 0 1
}

record() {
  step_names+=("$1") step_seconds+=("$2") step_results+=("$3 passed, $4 failed")
  passed_in_all=$((passed_in_all + $3)) failed_in_all=$((failed_in_all + $4))
}

# Prints why steps are red and the table; the last line is the sum. Returns failure when anything failed.
finish() {
  local i log
  for log in "${red_logs[@]}"; do
    printf '\n== red: %s\n' "$(basename "$log" .log)"
    why "$log"
  done
  printf '\n%-34s %8s   %s\n' "step" "seconds" "result"
  for i in "${!step_names[@]}"; do
    printf '%-34s %8s   %s\n' "${step_names[i]}" "${step_seconds[i]}" "${step_results[i]}"
  done
  printf '%-34s %8s\n\n' "in all" "$SECONDS"
  printf '%s passed, %s failed\n' "$passed_in_all" "$failed_in_all"
  [ "$failed_in_all" -eq 0 ]
}

# Licences, bans and sources. The graph holds other systems' crates too, so all are fetched first.
deny() {
  cargo fetch --locked
  cargo deny --offline check licenses bans sources
}

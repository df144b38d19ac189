#!/bin/sh
# counter STEP: add STEP to the number in $COUNTER_FILE, once a second, until SIGTERM.
step=${1:-1}
trap 'echo "stopped at $count"; exit 0' TERM INT
count=$(cat "$COUNTER_FILE" 2>/dev/null || echo 0)
while :; do
    count=$((count + step))
    echo "$count" > "$COUNTER_FILE"
    echo "count is $count"
    sleep 1 &
    wait $!
done

#!/bin/bash
# try.sh ENGINE.deb COMPAT.deb, on a machine with systemd that nobody needs any more: the packages' life from installation to
# purge. What is wrong ends it.
set -eu
engine=$1 compat=$2
export DOCKER_HOST=unix:///run/gantry/gantry.sock # said, no engine is started beside the service

step() { echo "$(cut -d' ' -f1 /proc/uptime) s  $*"; }
expect() { # expect WHAT WANTED GOT
  if [ "$2" = "$3" ]; then return; fi
  printf 'FAIL %s: wanted "%s", got "%s"\n' "$1" "$2" "$3"
  journalctl --no-pager -n 30 -u gantry.service
  exit 1
}
state() { systemctl is-active gantry.service || true; }
pid() { systemctl show --property MainPID --value gantry.service; }

step "installation: the daemon runs, its socket is the group's"
dpkg -i "$engine" >/dev/null
expect "the service" active "$(state)"
expect "the socket" "root:docker 660" "$(stat -c '%U:%G %a' /run/gantry/gantry.sock)"
expect "for the next boot" "enabled enabled" "$(systemctl is-enabled gantry.service gantry.socket | xargs)"
expect "the version" "$(dpkg-query -W -f '${Version}' gantry)" "$(gantry version --format '{{.Server.Version}}')"
expect "the runtime" "gantry-runc" "$(gantry-runc --version | cut -d' ' -f1 | head -n 1)"
expect "files as they were packed" "" "$(dpkg -V gantry)"

step "start returns when the API answers"
systemctl stop gantry.service gantry.socket
expect "the service" inactive "$(state)"
expect "who asks" "the engine is not running; it is a service of this host: systemctl start gantry" \
  "$(DOCKER_HOST='' gantry ps 2>&1)"
before=$(cut -d' ' -f1 /proc/uptime)
systemctl start gantry.service
step "  started since $before"
expect "containers" "" "$(gantry ps -aq)"

step "a connection starts it"
systemctl stop gantry.service 2>/dev/null
expect "containers" "" "$(gantry ps -aq)"
expect "the service" active "$(state)"

step "a container"
gantry load -qi build/test-images/busybox.tar >/dev/null
gantry run -d --name web --restart always busybox sleep 100000 >/dev/null
web=$(gantry inspect -f '{{.State.Pid}}' web)
expect "its OOM score" 0 "$(cat "/proc/$web/oom_score_adj")"
step "  open files in it: $(gantry exec web sh -c 'ulimit -Sn; ulimit -Hn' | xargs)"

step "daemon.json is read again"
echo '{"labels": ["site=here"]}' >/etc/gantry/daemon.json
systemctl reload gantry.service
for _ in $(seq 50); do
  if [ "$(gantry info -f '{{.Labels}}')" = "[site=here]" ]; then break; fi
  sleep 0.1
done
expect "labels" "[site=here]" "$(gantry info -f '{{.Labels}}')"

step "an upgrade replaces the daemon under the container, and nobody is refused"
old=$(pid)
(
  asked=0 refused=0
  until [ -e /run/upgraded ]; do
    asked=$((asked + 1))
    [ "$(gantry ps --format '{{.Names}}')" = web ] || refused=$((refused + 1))
  done
  echo "$asked $refused" >/run/asked
) &
dpkg -i "$engine" >/dev/null
touch /run/upgraded
wait
read -r asked refused </run/asked
step "  asked meanwhile: $asked times"
expect "refused" 0 "$refused"
expect "the service" active "$(state)"
if [ "$(pid)" = "$old" ]; then expect "another daemon" "not $old" "$old"; fi
expect "the container" "$web true" "$(gantry inspect -f '{{.State.Pid}} {{.State.Running}}' web)"
expect "exec" here "$(gantry exec web echo here)"

step "a daemon that dies comes back"
kill -KILL "$(pid)"
for _ in $(seq 200); do
  if [ "$(state)" = active ]; then break; fi
  sleep 0.1
done
expect "the container" "$web true" "$(gantry inspect -f '{{.State.Pid}} {{.State.Running}}' web)"

step "Docker's names"
dpkg -i "$compat" >/dev/null
expect "docker on /run/docker.sock" web "$(docker --host unix:///var/run/docker.sock ps --format '{{.Names}}')"
dpkg --remove gantry-docker-compat >/dev/null
expect "the link" no "$([ -L /run/docker.sock ] && echo yes || echo no)"

step "removal stops container and daemon"
dpkg --remove gantry >/dev/null
expect "the service" inactive "$(state)"
expect "the container" no "$([ -e "/proc/$web" ] && echo yes || echo no)"
# A resident client ends when it has seen that its files are gone.
for _ in $(seq 200); do
  if ! pgrep gantry >/dev/null; then break; fi
  sleep 0.1
done
expect "shims and clients" "" "$(pgrep -a gantry || true)"
expect "daemon.json" yes "$([ -e /etc/gantry/daemon.json ] && echo yes || echo no)"

step "installed again, it brings the container back"
dpkg -i "$engine" >/dev/null
expect "the container" "web" "$(gantry ps --format '{{.Names}}')"

step "purge leaves what is the user's"
dpkg --purge gantry >/dev/null 2>/run/purge
expect "the hint" yes "$(grep -q 'still in /var/lib/gantry' /run/purge && echo yes || echo no)"
expect "data" yes "$([ -e /var/lib/gantry/metadata.db ] && echo yes || echo no)"
expect "links to units" "" "$(find /etc/systemd/system -name 'gantry.s*')"
step "all of it is as it should be"

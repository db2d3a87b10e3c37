import datetime
import socket
import time
import unittest

from docker.utils.socket import demux_adaptor, frames_iter, read_exactly
from engine import IMAGE, LABELS, OURS, EngineTest


def read_all(sock, tty):
    """What a socket brings until its end: (stdout, stderr)."""
    out, err = b"", b""
    for stream, data in frames_iter(sock, tty):
        o, e = demux_adaptor(stream, data) if not tty else (data, None)
        out, err = out + (o or b""), err + (e or b"")
    return out, err


class Logs(EngineTest):
    def test_logs(self):
        container = self.run_detached("echo one; echo two; sleep 0.1; echo three >&2")
        container.wait()
        self.assertEqual(container.logs(), b"one\ntwo\nthree\n")
        self.assertEqual(container.logs(stderr=False), b"one\ntwo\n")
        self.assertEqual(container.logs(tail=1), b"three\n")
        self.assertRegex(container.logs(timestamps=True), rb"^\d{4}-\d\d-\d\dT\S+Z one\n")
        self.assertEqual(list(container.logs(stream=True, stdout=False)), [b"three\n"])
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.assertEqual(container.logs(since=now + datetime.timedelta(hours=1)), b"")
        self.assertEqual(container.logs(since=now - datetime.timedelta(hours=1)), container.logs())
        self.assertEqual(container.logs(until=int(time.time()) - 3600), b"")

    def test_followed_logs_end_with_the_container(self):
        container = self.run_detached("echo begun; until test -e /go; do sleep 0.1; done; echo ended")
        lines = container.logs(stream=True, follow=True)
        self.assertEqual(next(lines), b"begun\n")
        container.exec_run(["touch", "/go"])
        self.assertEqual(b"".join(lines), b"ended\n")


class Exec(EngineTest):
    def test_exec_run(self):
        container = self.sleeper()
        done = container.exec_run(["sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 9"])
        self.assertEqual((done.exit_code, done.output), (9, b"out\nerr\n"))
        done = container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
        self.assertEqual(done.output, (b"out\n", b"err\n"))
        done = container.exec_run(
            "sh -c 'echo $KEY $(pwd) $(id -un)'", environment=["KEY=value"], workdir="/tmp", user="user"
        )
        self.assertEqual(done.output, b"value /tmp user\n")
        done = container.exec_run("no-such-program")
        self.assertIn(done.exit_code, (126, 127))
        container.exec_run("touch /made", detach=True)
        code, _ = container.exec_run(["sh", "-c", "until test -e /made; do sleep 0.05; done"])
        self.assertEqual(code, 0)

    def test_exec_run_as_a_stream(self):
        container = self.sleeper()
        code, lines = container.exec_run(["sh", "-c", "for i in 1 2; do echo $i; sleep 0.1; done"], stream=True)
        self.assertIsNone(code)
        self.assertEqual(b"".join(lines), b"1\n2\n")
        _, parts = container.exec_run(["sh", "-c", "echo out; echo err >&2"], stream=True, demux=True)
        parts = list(parts)
        self.assertIn((b"out\n", None), parts)
        self.assertIn((None, b"err\n"), parts)

    def test_exec_run_on_a_terminal(self):
        container = self.sleeper()
        done = container.exec_run(["sh", "-c", "test -t 1 && echo terminal"], tty=True)
        self.assertEqual((done.exit_code, done.output), (0, b"terminal\r\n"))

    def test_exec_run_with_a_socket(self):
        container = self.sleeper()
        _, sock = container.exec_run("cat", stdin=True, socket=True)
        sock._sock.sendall(b"to be said again\n")
        sock._sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(sock, tty=False), (b"to be said again\n", b""))
        sock.close()

    def test_low_level_exec(self):
        api, container = self.client.api, self.sleeper()
        made = api.exec_create(container.id, ["sh", "-c", "echo ready; read line; stty size"], stdin=True, tty=True)
        sock = api.exec_start(made["Id"], socket=True, tty=True)
        self.assertEqual(read_exactly(sock, 7), b"ready\r\n")
        self.assertTrue(api.exec_inspect(made["Id"])["Running"])
        api.exec_resize(made["Id"], height=22, width=77)
        sock._sock.sendall(b"go\n")
        self.assertTrue(read_all(sock, tty=True)[0].endswith(b"22 77\r\n"))
        sock.close()
        self.assertEqual(api.exec_inspect(made["Id"])["ExitCode"], 0)


class Attach(EngineTest):
    def test_attach_socket(self):
        container = self.client.containers.create(
            IMAGE, ["sh", "-c", "cat; echo done >&2"], stdin_open=True, labels=LABELS
        )
        sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        container.start()
        sock._sock.sendall(b"typed\n")
        self.assertEqual(next(frames_iter(sock, False)), (1, b"typed\n"))
        container.kill()
        sock.close()

    def test_attach(self):
        container = self.run_detached("until test -e /go; do sleep 0.1; done; echo heard")
        lines = container.attach(stream=True, logs=True)
        container.exec_run("touch /go")
        self.assertEqual(b"".join(lines), b"heard\n")

    def test_resize(self):
        container = self.run_detached("until test -e /go; do sleep 0.1; done; stty size", tty=True)
        container.resize(height=31, width=101)
        container.exec_run("touch /go")
        container.wait()
        self.assertEqual(container.logs(), b"31 101\r\n")


class Watching(EngineTest):
    def test_stats(self):
        container = self.sleeper(mem_limit="64m")
        once = container.stats(stream=False)
        self.assertEqual(once["memory_stats"]["limit"], 64 << 20)
        self.assertGreater(once["cpu_stats"]["system_cpu_usage"], 0)
        self.assertGreater(once["precpu_stats"]["system_cpu_usage"], 0)
        self.assertIn("eth0", once["networks"])
        stream = container.stats(decode=True)
        self.assertEqual([next(stream)["id"] for _ in range(2)], [container.id, container.id])
        raw = container.stats(stream=True)
        self.assertIn(container.id.encode(), next(raw))

    def test_events(self):
        since = int(time.time())
        events = self.client.events(since=since, filters={**OURS, "type": "container"}, decode=True)
        container = self.run_detached("exit 6")
        container.wait()
        container.remove()
        seen = []
        for event in events:
            if event["Actor"]["ID"] != container.id:
                continue
            seen.append(event["Action"])
            if event["Action"] == "die":
                self.assertEqual(event["Actor"]["Attributes"]["exitCode"], "6")
            if event["Action"] == "destroy":
                break
        events.close()
        self.assertEqual(seen, ["create", "start", "die", "destroy"])
        past = self.client.events(
            since=since, until=int(time.time()) + 1, filters={"container": container.id}, decode=True
        )
        self.assertIn("start", [event["Action"] for event in past])


if __name__ == "__main__":
    unittest.main()

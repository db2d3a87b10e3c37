import unittest

from docker.errors import APIError, ContainerError, ImageNotFound, NotFound
from docker.types import LogConfig, Mount, Ulimit
from engine import IMAGE, LABELS, OURS, EngineTest, unique


class Run(EngineTest):
    def test_run_gives_the_output(self):
        said = self.client.containers.run(IMAGE, "echo hello world", remove=True)
        self.assertEqual(said, b"hello world\n")

    def test_run_gives_both_outputs(self):
        script = ["sh", "-c", "echo out; sleep 0.1; echo err >&2"]
        said = self.client.containers.run(IMAGE, script, remove=True, stdout=True, stderr=True)
        self.assertEqual(said, b"out\nerr\n")

    def test_run_streams_the_output(self):
        said = self.client.containers.run(IMAGE, ["seq", "3"], stream=True, labels=LABELS)
        self.assertEqual(b"".join(said), b"1\n2\n3\n")

    def test_a_failing_command_is_a_container_error(self):
        with self.assertRaises(ContainerError) as caught:
            self.client.containers.run(IMAGE, ["sh", "-c", "echo why >&2; exit 3"], remove=True)
        self.assertEqual(caught.exception.exit_status, 3)
        self.assertEqual(caught.exception.stderr, b"why\n")
        self.assertIn("returned non-zero exit status 3: b'why\\n'", str(caught.exception))

    def test_what_cannot_run_is_an_api_error(self):
        with self.assertRaises(APIError) as caught:
            self.client.containers.run(IMAGE, "/no/such/program", labels=LABELS)
        self.assertEqual(caught.exception.status_code, 400)
        self.assertTrue(caught.exception.is_client_error())
        self.assertIn("no such file or directory", caught.exception.explanation)

    def test_what_is_not_there_is_not_found(self):
        with self.assertRaises(NotFound) as caught:
            self.client.containers.get("nobody-has-this-name")
        self.assertEqual(caught.exception.status_code, 404)
        self.assertEqual(
            caught.exception.explanation, "No such container: nobody-has-this-name"
        )
        with self.assertRaises(ImageNotFound):
            self.client.api.create_container("no-such-image:1")

    def test_options_reach_the_container(self):
        container = self.sleeper(
            name=unique("options"),
            hostname="somebody",
            environment={"KEY": "value"},
            working_dir="/tmp",
            user="1000:50",
            mem_limit="64m",
            nano_cpus=500_000_000,
            pids_limit=50,
            cap_drop=["ALL"],
            cap_add=["NET_BIND_SERVICE"],
            read_only=True,
            tmpfs={"/scratch": "size=1m,mode=1777"},
            ulimits=[Ulimit(name="nofile", soft=567, hard=1234)],
            sysctls={"net.ipv4.ip_unprivileged_port_start": "1"},
            extra_hosts={"friend": "10.9.8.7"},
            dns=["10.0.0.53"],
            init=True,
            shm_size="8m",
            security_opt=["no-new-privileges"],
            log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": "1m"}),
            restart_policy={"Name": "on-failure", "MaximumRetryCount": 5},
            stop_signal="SIGTERM",
        )
        code, said = container.exec_run(
            ["sh", "-c", "echo $KEY $(pwd) $(id -u):$(id -g) $(hostname) $(ulimit -n)"]
        )
        self.assertEqual((code, said), (0, b"value /tmp 1000:50 somebody 567\n"))
        code, said = container.exec_run(["sh", "-c", "touch /x; touch /scratch/x && echo there"])
        self.assertIn(b"Read-only file system", said)
        self.assertIn(b"there", said)
        host = container.attrs["HostConfig"]
        self.assertEqual(host["Memory"], 64 << 20)
        self.assertEqual(host["NanoCpus"], 500_000_000)
        self.assertEqual(host["PidsLimit"], 50)
        self.assertEqual(host["RestartPolicy"], {"Name": "on-failure", "MaximumRetryCount": 5})
        self.assertEqual(host["LogConfig"], {"Type": "json-file", "Config": {"max-size": "1m"}})

    def test_mounts(self):
        volume = self.client.volumes.create(unique("mounted"), labels=LABELS)
        self.addCleanup(volume.remove, force=True)
        self.addCleanup(self.remove_all)
        mounts = [
            Mount("/data", volume.name),
            Mount("/fast", None, type="tmpfs", tmpfs_size=1 << 20),
        ]
        script = ["sh", "-c", "echo kept > /data/file; grep -c ' /fast ' /proc/mounts"]
        said = self.client.containers.run(IMAGE, script, mounts=mounts, labels=LABELS)
        self.assertEqual(said, b"1\n")
        said = self.client.containers.run(
            IMAGE,
            "cat /data/file",
            volumes={volume.name: {"bind": "/data", "mode": "ro"}},
            remove=True,
        )
        self.assertEqual(said, b"kept\n")


class Life(EngineTest):
    def test_create_start_stop_restart_kill_remove(self):
        container = self.client.containers.create(
            IMAGE, ["sh", "-c", "trap 'exit 3' TERM; touch /ready; while :; do sleep 0.1; done"], labels=LABELS
        )
        self.assertEqual(container.status, "created")
        container.start()
        container.reload()
        self.assertEqual(container.status, "running")
        code, _ = container.exec_run(["sh", "-c", "until test -e /ready; do sleep 0.05; done"])
        self.assertEqual(code, 0)
        container.stop(timeout=30)
        self.assertEqual(container.wait()["StatusCode"], 3)
        container.restart(timeout=1)
        container.reload()
        self.assertEqual(container.status, "running")
        container.kill(signal="SIGKILL")
        self.assertEqual(container.wait()["StatusCode"], 137)
        with self.assertRaises(APIError) as caught:
            container.kill()
        self.assertEqual(caught.exception.status_code, 409)
        container.remove()
        with self.assertRaises(NotFound):
            container.reload()

    def test_wait_with_conditions(self):
        container = self.client.containers.create(
            IMAGE, ["sh", "-c", "exit 5"], labels=LABELS, auto_remove=True
        )
        container.start()
        try:
            self.assertEqual(container.wait(condition="removed")["StatusCode"], 5)
        except NotFound:
            pass  # it was faster
        slow = self.run_detached("read line; exit 6", stdin_open=True)
        with self.assertRaises(Exception) as caught:
            slow.wait(timeout=1, condition="not-running")
        self.assertRegex(str(caught.exception), "[Tt]imed out")
        slow.kill()
        self.assertEqual(slow.wait(condition="not-running")["StatusCode"], 137)

    def test_pause_top_rename_update(self):
        container = self.sleeper()
        container.pause()
        container.reload()
        self.assertEqual(container.status, "paused")
        container.unpause()
        top = container.top(ps_args="-o pid,args")
        self.assertEqual(top["Titles"], ["PID", "COMMAND"])
        self.assertIn("trap exit TERM", top["Processes"][0][1])
        container.rename(unique("renamed"))
        self.assertEqual(self.client.containers.get(unique("renamed")).id, container.id)
        answer = container.update(mem_limit="48m", memswap_limit="96m", cpu_shares=512)
        self.assertFalse(answer["Warnings"])
        container.reload()
        self.assertEqual(container.attrs["HostConfig"]["Memory"], 48 << 20)

    def test_list_get_and_prune(self):
        over = self.run_detached("exit 0")
        over.wait()
        running = self.sleeper(name=unique("one"))

        def listed(**options):
            return sorted(c.id for c in self.client.containers.list(**options))

        self.assertEqual(listed(filters=OURS), [running.id])
        self.assertEqual(listed(all=True, filters=OURS), sorted([running.id, over.id]))
        self.assertEqual(listed(filters={**OURS, "status": "exited"}), [over.id])
        self.assertEqual(listed(filters={**OURS, "exited": 0}, all=True), [over.id])
        self.assertEqual(listed(filters={**OURS, "name": unique("one")}), [running.id])
        self.assertEqual(listed(filters={**OURS, "ancestor": IMAGE}), [running.id])
        self.assertEqual(listed(filters={**OURS, "since": over.id}), [running.id])
        self.assertEqual(listed(filters=OURS, limit=1), [running.id])
        sparse = self.client.containers.list(filters=OURS, sparse=True)[0]
        self.assertEqual((sparse.attrs["Names"], sparse.status), (["/" + unique("one")], "running"))
        self.assertIn(IMAGE, running.image.tags)
        self.assertTrue(running.id.startswith(running.short_id))
        pruned = self.client.containers.prune(filters=OURS)
        self.assertEqual(pruned["ContainersDeleted"], [over.id])


if __name__ == "__main__":
    unittest.main()

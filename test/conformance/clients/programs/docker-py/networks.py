import socket
import unittest
import urllib.request

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool
from engine import IMAGE, LABELS, OURS, EngineTest, unique

SERVE = "mkdir -p /www; echo page > /www/index.html; exec httpd -f -p 8080 -h /www"


class Networks(EngineTest):
    def test_create_connect_resolve_disconnect_remove(self):
        pool = IPAMPool(subnet="10.93.8.0/24", gateway="10.93.8.1")
        network = self.client.networks.create(
            unique("net"), driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels=LABELS
        )
        self.addCleanup(network.remove)
        self.addCleanup(self.remove_all)
        server = self.run_detached(SERVE)
        network.connect(server, aliases=["web"], ipv4_address="10.93.8.10")
        server.reload()
        endpoint = server.attrs["NetworkSettings"]["Networks"][unique("net")]
        self.assertEqual(endpoint["IPAddress"], "10.93.8.10")
        network.reload()
        self.assertEqual(network.containers, [server])
        script = ["sh", "-c", "until wget -q -O - http://web:8080/; do sleep 0.1; done"]
        said = self.client.containers.run(IMAGE, script, network=network.name, labels=LABELS)
        self.assertEqual(said, b"page\n")
        with self.assertRaises(APIError) as caught:
            network.remove()
        self.assertEqual(caught.exception.status_code, 403)
        network.disconnect(server)
        network.reload()
        self.assertEqual(network.containers, [])

    def test_list_get_and_prune(self):
        network = self.client.networks.create(unique("listed"), labels=LABELS, internal=True)
        self.assertEqual([n.id for n in self.client.networks.list(filters=OURS)], [network.id])
        self.assertEqual([n.id for n in self.client.networks.list(names=[network.name])], [network.id])
        self.assertTrue(self.client.networks.get(network.id).attrs["Internal"])
        self.assertEqual(self.client.networks.prune(filters=OURS)["NetworksDeleted"], [network.name])
        with self.assertRaises(NotFound):
            self.client.networks.get(network.id)

    def test_published_ports(self):
        container = self.run_detached(
            SERVE, ports={"8080/tcp": ("127.0.0.1", None), "5353/udp": None}
        )
        container.reload()
        port = int(container.ports["8080/tcp"][0]["HostPort"])
        self.assertEqual(container.ports["8080/tcp"][0]["HostIp"], "127.0.0.1")
        self.assertTrue(container.ports["5353/udp"])
        code, _ = container.exec_run(["sh", "-c", "until wget -q -O - 127.0.0.1:8080; do sleep 0.1; done"])
        self.assertEqual(code, 0)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
            self.assertEqual(page.read(), b"page\n")
        with self.assertRaises(APIError) as caught:
            self.run_detached(SERVE, ports={"8080/tcp": ("127.0.0.1", port)})
        self.assertEqual(caught.exception.status_code, 500)
        self.assertIn("port is already allocated", caught.exception.explanation)

    def test_network_modes(self):
        said = self.client.containers.run(IMAGE, "ls /sys/class/net", network_mode="none", remove=True)
        self.assertEqual(said, b"lo\n")
        name = self.client.containers.run(IMAGE, "hostname", network_mode="host", remove=True)
        self.assertEqual(name.decode().strip(), socket.gethostname())


class Volumes(EngineTest):
    def test_volumes(self):
        volume = self.client.volumes.create(unique("volume"), driver="local", labels=LABELS)
        self.assertEqual(self.client.volumes.get(volume.name).attrs["Scope"], "local")
        self.assertEqual([v.name for v in self.client.volumes.list(filters=OURS)], [volume.name])
        binds = {volume.name: {"bind": "/data", "mode": "rw"}}
        user = self.client.containers.create(IMAGE, "true", volumes=binds, labels=LABELS)
        with self.assertRaises(APIError) as caught:
            volume.remove()
        self.assertEqual(caught.exception.status_code, 409)
        user.remove()
        pruned = self.client.volumes.prune(filters={**OURS, "all": True})
        self.assertEqual(pruned["VolumesDeleted"], [volume.name])
        with self.assertRaises(NotFound):
            self.client.volumes.get(volume.name)


if __name__ == "__main__":
    unittest.main()

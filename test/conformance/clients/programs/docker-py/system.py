import unittest

import docker
from docker.errors import APIError
from engine import IMAGE, LABELS, EngineTest


class System(EngineTest):
    def test_ping_version_info(self):
        self.assertTrue(self.client.ping())
        version = self.client.version()
        self.assertRegex(version["ApiVersion"], r"^1\.\d+$")
        self.assertEqual(version["Os"], "linux")
        info = self.client.info()
        self.assertIn("bridge", info["Plugins"]["Network"])
        self.assertGreater(info["NCPU"], 0)

    def test_df(self):
        container = self.client.containers.create(IMAGE, "true", labels=LABELS)
        usage = self.client.df()
        self.assertIn(container.id, [row["Id"] for row in usage["Containers"]])
        self.assertGreater(usage["LayersSize"], 0)
        self.assertEqual(self.client.api.df().keys(), usage.keys())

    def test_version_negotiation(self):
        api = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
        self.addCleanup(api.close)
        self.assertTrue(api.ping())
        self.assertIsInstance(api.containers(), list)
        said = tuple(int(part) for part in api.version(api_version=False)["ApiVersion"].split("."))
        self.assertEqual(tuple(int(part) for part in api._version.split(".")), said)

    def test_fixed_versions(self):
        old = docker.DockerClient.from_env(version="1.41")
        self.addCleanup(old.close)
        self.assertTrue(old.containers.list(all=True) is not None)
        new = docker.DockerClient.from_env(version="1.99")
        self.addCleanup(new.close)
        with self.assertRaises(APIError) as caught:
            new.containers.list()
        self.assertEqual(caught.exception.status_code, 400)
        self.assertIn("client version 1.99 is too new", caught.exception.explanation)

    def test_low_level_container(self):
        api = self.client.api
        host = api.create_host_config(port_bindings={8080: None}, binds=["/tmp:/there:ro"])
        made = api.create_container(IMAGE, "sleep 100", ports=[8080], host_config=host, labels=LABELS)
        api.start(made["Id"])
        inspected = api.inspect_container(made["Id"])
        self.assertEqual(inspected["Mounts"][0]["Destination"], "/there")
        self.assertTrue(api.port(made["Id"], 8080)[0]["HostPort"])
        self.assertEqual(api.top(made["Id"])["Processes"][0][-1], "sleep 100")
        api.remove_container(made["Id"], force=True)

    def test_login_at_a_registry_that_is_not_there(self):
        with self.assertRaises(APIError) as caught:
            self.client.login("user", "secret", registry="http://127.0.0.1:9", reauth=True)
        self.assertEqual(caught.exception.status_code, 500)


if __name__ == "__main__":
    unittest.main()

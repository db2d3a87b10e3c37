"""What the programs of this folder share: the engine that DOCKER_HOST names, and a test case that leaves nothing."""

import os
import unittest

import docker
import docker.errors

IMAGE = "busybox:latest"
LABEL = "programs.docker-py"
LABELS = {LABEL: str(os.getpid())}
OURS = {"label": f"{LABEL}={os.getpid()}"}


def unique(name):
    return f"{name}-{os.getpid()}"


class EngineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = docker.from_env(timeout=60)
        cls.addClassCleanup(cls.client.close)

    def setUp(self):
        self.addCleanup(self.remove_all)

    def remove_all(self):
        """Containers may be on their way out by themselves."""
        while True:
            left = self.client.containers.list(all=True, filters=OURS, ignore_removed=True)
            if not left:
                return
            for container in left:
                try:
                    container.remove(force=True, v=True)
                except docker.errors.APIError as error:
                    if error.status_code not in (404, 409):
                        raise

    def run_detached(self, script, **options):
        return self.client.containers.run(
            IMAGE, ["sh", "-c", script], detach=True, labels=LABELS, **options
        )

    def sleeper(self, **options):
        return self.run_detached("trap exit TERM; while :; do sleep 0.1; done", **options)

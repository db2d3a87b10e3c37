import io
import os
import tarfile
import unittest

from docker.errors import APIError, ImageNotFound
from engine import IMAGE, LABELS, EngineTest, unique


def archive(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Files(EngineTest):
    def test_put_and_get_archive(self):
        container = self.sleeper()
        self.assertTrue(container.put_archive("/tmp", archive({"hello.txt": b"hello\n"})))
        bits, stat = container.get_archive("/tmp/hello.txt")
        self.assertEqual((stat["name"], stat["size"]), ("hello.txt", 6))
        with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
            self.assertEqual(tar.extractfile("hello.txt").read(), b"hello\n")
        with self.assertRaises(APIError) as caught:
            container.get_archive("/nowhere")
        self.assertEqual(caught.exception.status_code, 404)

    def test_diff_and_export(self):
        container = self.run_detached("mkdir /made; echo x > /made/file; rm /etc/group")
        container.wait()
        changes = {change["Path"]: change["Kind"] for change in container.diff()}
        self.assertEqual(changes["/made/file"], 1)
        self.assertEqual(changes["/etc/group"], 2)
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
            self.assertIn("made/file", tar.getnames())

    def test_commit(self):
        container = self.run_detached("echo kept > /kept")
        container.wait()
        image = container.commit(
            repository=unique("committed"),
            tag="1",
            message="a message",
            author="an author",
            changes=["ENV KEY=value", 'CMD ["cat", "/kept"]'],
        )
        self.addCleanup(self.client.images.remove, f"{unique('committed')}:1")
        self.assertEqual(image.tags, [f"{unique('committed')}:1"])
        self.assertEqual(image.attrs["Author"], "an author")
        self.assertIn("KEY=value", image.attrs["Config"]["Env"])
        self.assertEqual(self.client.containers.run(image, remove=True), b"kept\n")


class Images(EngineTest):
    def test_load_and_save(self):
        with open(os.environ["BUSYBOX_ARCHIVE"], "rb") as file:
            images = self.client.images.load(file.read())
        self.assertEqual([IMAGE in image.tags for image in images], [True])
        saved = b"".join(images[0].save(named=True))
        with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
            self.assertIn("manifest.json", tar.getnames())
        again = self.client.images.load(saved)
        self.assertEqual(again[0].id, images[0].id)

    def test_list_get_tag_history_remove(self):
        image = self.client.images.get(IMAGE)
        name = f"example.org/{unique('tagged')}"
        self.assertTrue(image.tag(name, tag="2"))
        self.assertEqual([i.id for i in self.client.images.list(name=name)], [image.id])
        self.assertIn(image.id, [i.id for i in self.client.images.list(filters={"reference": f"{name}:*"})])
        self.assertEqual(image.history()[0]["Id"], image.id)
        self.assertEqual(image.short_id, image.id[:17] if len(image.short_id) == 17 else image.id[:19])
        self.client.images.remove(f"{name}:2")
        with self.assertRaises(ImageNotFound):
            self.client.images.get(f"{name}:2")
        with self.assertRaises(ImageNotFound):
            self.client.images.remove("no-such-image:1")

    def test_an_image_in_use_stays(self):
        container = self.client.containers.create(IMAGE, "true", labels=LABELS)
        with self.assertRaises(APIError) as caught:
            self.client.images.remove(container.image.id)
        self.assertEqual(caught.exception.status_code, 409)

    def test_import_and_prune(self):
        container = self.client.containers.create(IMAGE, "true", labels=LABELS)
        tree = b"".join(container.export())
        said = self.client.api.import_image_from_data(
            tree, repository=unique("imported"), tag="1", changes=[f"LABEL {unique('pruned')}=yes"]
        )
        self.assertIn("sha256:", said)
        image = self.client.images.get(f"{unique('imported')}:1")
        self.assertEqual(self.client.containers.run(image, "echo works", remove=True), b"works\n")
        bare = self.client.containers.create(image, "true", labels=LABELS)
        nameless = bare.commit(changes=[f"LABEL {unique('pruned')}=yes"])
        pruned = self.client.images.prune(filters={"dangling": True, "label": unique("pruned")})
        self.assertIn({"Deleted": nameless.id}, pruned["ImagesDeleted"])
        bare.remove()
        self.client.images.remove(f"{unique('imported')}:1")

    def test_a_registry_that_is_not_there(self):
        with self.assertRaises(APIError) as caught:
            self.client.images.pull("127.0.0.1:9/nothing", tag="1")
        self.assertEqual(caught.exception.status_code, 500)
        self.assertTrue(caught.exception.is_server_error())
        self.client.images.get(IMAGE).tag("127.0.0.1:9/pushed", tag="1")
        last = list(self.client.images.push("127.0.0.1:9/pushed", tag="1", stream=True, decode=True))[-1]
        self.assertIn("connection refused", last["error"])
        self.client.images.remove("127.0.0.1:9/pushed:1")


if __name__ == "__main__":
    unittest.main()

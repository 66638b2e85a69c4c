"""`/v1/files`: upload, list, read and delete."""

import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.files.conftest import Owner, kept

CONTENT = bytes(range(256)) * 400
DIGEST = hashlib.sha256(CONTENT).hexdigest()


async def upload(owner: Owner, content: bytes = CONTENT, **params: Any) -> dict[str, Any]:
    """Upload a file, and return its facts."""
    params = {"name": "firmware.bin", **params}
    answer = await owner.api.call("POST", "/v1/files", owner.key, content=content, params=params)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/files/{shown['id']}"
    return shown


async def test_a_file_is_kept_whole_and_private(owner: Owner, tmp_path: Path) -> None:
    shown = await upload(owner, name="../../acme duo.bin", sha256=DIGEST.upper())
    assert (shown["name"], shown["size_bytes"], shown["sha256"]) == ("acme duo.bin", len(CONTENT), DIGEST)
    assert (shown["origin"], shown["charge_point"], shown["expires_at"]) == ("tenant", None, None)
    (path,) = kept(tmp_path / "files")
    assert path.read_bytes() == CONTENT
    assert path.relative_to(tmp_path / "files" / "contents").parts == (
        str(owner.tenant.id),
        DIGEST[:2],
        DIGEST,
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folders = [folder for folder in path.parents if tmp_path in folder.parents]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


async def test_a_form_tells_the_name_and_the_media_type(owner: Owner) -> None:
    fields = {"file": ("acme.zip", CONTENT, "application/zip")}
    answer = await owner.api.call("POST", "/v1/files", owner.key, files=fields, data={"note": "x" * 100})
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert (shown["name"], shown["media_type"], shown["sha256"]) == ("acme.zip", "application/zip", DIGEST)


async def test_the_content_is_an_attachment_that_no_browser_shows(owner: Owner) -> None:
    shown = await upload(owner, name='a"b.html')
    answer = await owner.api.call("GET", f"/v1/files/{shown['id']}/content", owner.key)
    assert answer.content == CONTENT
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["etag"] == f'"{DIGEST}"'
    assert answer.headers["content-length"] == str(len(CONTENT))
    head = await owner.api.call("HEAD", f"/v1/files/{shown['id']}/content", owner.key)
    assert (head.status_code, head.content) == (200, b"")
    own = {"date": "", "request-id": ""}
    assert {**head.headers, **own} == {**answer.headers, **own}


@pytest.mark.parametrize(
    ("headers", "status", "part"),
    [
        ({"Range": "bytes=100-199"}, 206, (100, 200)),
        ({"Range": "bytes=-1"}, 206, (len(CONTENT) - 1, len(CONTENT))),
        ({"Range": "bytes=70000-"}, 206, (70_000, len(CONTENT))),
        ({"Range": "bytes=5-1"}, 200, (0, len(CONTENT))),
        ({"Range": "bytes=0-9", "If-Range": f'"{DIGEST}"'}, 206, (0, 10)),
        ({"Range": "bytes=0-9", "If-Range": '"of another content"'}, 200, (0, len(CONTENT))),
        ({"If-None-Match": f'"{DIGEST}"'}, 304, (0, 0)),
        ({"If-None-Match": '"other"'}, 200, (0, len(CONTENT))),
    ],
)
async def test_a_part_can_be_had(
    owner: Owner, headers: dict[str, str], status: int, part: tuple[int, int]
) -> None:
    shown = await upload(owner)
    answer = await owner.api.call("GET", f"/v1/files/{shown['id']}/content", owner.key, headers=headers)
    assert (answer.status_code, answer.content) == (status, CONTENT[slice(*part)])
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {part[0]}-{part[1] - 1}/{len(CONTENT)}"


@pytest.mark.parametrize(
    "if_range",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +99999999999999"],
)
async def test_a_date_out_of_all_ranges_is_another_date(owner: Owner, if_range: str) -> None:
    shown = await upload(owner)
    headers = {"Range": "bytes=0-9", "If-Range": if_range}
    answer = await owner.api.call("GET", f"/v1/files/{shown['id']}/content", owner.key, headers=headers)
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_a_range_counts_for_get_only(owner: Owner) -> None:
    shown = await upload(owner)
    headers = {"Range": "bytes=0-9"}
    head = await owner.api.call("HEAD", f"/v1/files/{shown['id']}/content", owner.key, headers=headers)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(CONTENT)))


@pytest.mark.parametrize("place", ["before", "between", "after"])
async def test_what_a_form_holds_beside_its_file_is_counted_too(
    owner: Owner, tmp_path: Path, place: str
) -> None:
    taken = 0

    async def endless() -> Any:
        nonlocal taken
        if place == "before":
            yield b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
        else:
            yield b'--x\r\nContent-Disposition: form-data; filename="a"\r\n\r\n1\r\n'
            yield b"--x--" if place == "after" else b'--x\r\nContent-Disposition: form-data; name="b"\r\n\r\n'
        while taken < 1000:
            taken += 1
            yield b"x" * 10_000

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await owner.api.call("POST", "/v1/files", owner.key, content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")
    assert taken < 120
    assert kept(tmp_path / "files") == []


async def test_a_part_of_a_file_is_not_taken_for_the_file(owner: Owner, tmp_path: Path) -> None:
    async def send(content_range: str) -> Any:
        headers = {"Content-Range": content_range}
        params = {"name": "a"}
        return await owner.api.call(
            "POST", "/v1/files", owner.key, content=CONTENT, params=params, headers=headers
        )

    for part in ("bytes 100-102499/102500", "bytes 0-99/*", "bytes 0-102399/102401", "bytes */5", "x"):
        answer = await send(part)
        assert (answer.status_code, answer.json()["field"]) == (422, "Content-Range"), part
    assert kept(tmp_path / "files") == []
    assert (await send(f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")).status_code == 201


@pytest.mark.parametrize(
    ("coding", "media_type"),
    [
        ("gzip", "application/gzip"),
        ("X-GZIP", "application/gzip"),
        ("br", "application/octet-stream"),
        ("gzip, br", "application/octet-stream"),
        ("identity", "text/plain"),
    ],
)
async def test_a_coded_content_is_kept_as_it_comes_and_says_so(
    owner: Owner, coding: str, media_type: str
) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "text/plain"}
    answer = await owner.api.call(
        "POST", "/v1/files", owner.key, content=b"coded", params={"name": "a"}, headers=headers
    )
    assert (answer.status_code, answer.json()["media_type"]) == (201, media_type)
    assert answer.json()["sha256"] == hashlib.sha256(b"coded").hexdigest()


async def test_a_part_behind_the_end_is_refused_with_the_size(owner: Owner) -> None:
    shown = await upload(owner)
    headers = {"Range": f"bytes={len(CONTENT)}-"}
    answer = await owner.api.call("GET", f"/v1/files/{shown['id']}/content", owner.key, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    ("content", "params", "status", "field"),
    [
        (b"x", {}, 422, "name"),
        (b"", {"name": "a"}, 422, "body"),
        (b"x", {"name": "a", "sha256": "0" * 64}, 422, "sha256"),
        (b"x", {"name": "a", "sha256": "z"}, 422, "sha256"),
        (b"x", {"name": "a\x00"}, 422, "name"),
        (b"x", {"name": "a", "other": "b"}, 422, "other"),
        (b"x" * 1_000_001, {"name": "a"}, 413, None),
    ],
)
async def test_a_wrong_upload_leaves_nothing(
    owner: Owner, tmp_path: Path, content: bytes, params: dict[str, str], status: int, field: str | None
) -> None:
    answer = await owner.api.call("POST", "/v1/files", owner.key, content=content, params=params)
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text
    assert kept(tmp_path / "files") == []
    assert (await owner.api.call("GET", "/v1/files", owner.key)).json()["items"] == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"no form at all"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; filename="a"\r\n\r\nnot finished',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 60 + b"--x--",
        ),
        (f"multipart/form-data; boundary={'x' * 500}", b"--x\r\n"),
    ],
)
async def test_a_broken_form_leaves_nothing(
    owner: Owner, tmp_path: Path, content_type: str, body: bytes
) -> None:
    headers = {"Content-Type": content_type}
    answer = await owner.api.call("POST", "/v1/files", owner.key, content=body, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "body"), answer.text
    assert kept(tmp_path / "files") == []


async def test_a_body_without_a_length_is_counted(owner: Owner, tmp_path: Path) -> None:
    async def endless() -> Any:
        for _ in range(200):
            yield b"x" * 10_000

    answer = await owner.api.call(
        "POST", "/v1/files", owner.key, content=endless(), params={"name": "endless"}
    )
    assert answer.status_code == 413
    assert kept(tmp_path / "files") == []


async def test_a_tenant_has_a_limit_for_all_of_its_files(owner: Owner, tmp_path: Path) -> None:
    for number in range(3):
        await upload(owner, bytes([number]) * 1_000_000)
    answer = await owner.api.call(
        "POST", "/v1/files", owner.key, content=b"one more", params={"name": "more"}
    )
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    other = await owner.api.tenant()
    answer = await owner.api.call(
        "POST", "/v1/files", await owner.api.key(other), content=b"x", params={"name": "of another"}
    )
    assert answer.status_code == 201
    assert kept(tmp_path / "files" / "incoming") == []


async def test_equal_contents_of_a_tenant_are_kept_once(owner: Owner, tmp_path: Path) -> None:
    first, second = await upload(owner), await upload(owner, name="again.bin")
    assert len(kept(tmp_path / "files")) == 1
    assert (await owner.api.call("DELETE", f"/v1/files/{first['id']}", owner.key)).status_code == 204
    answer = await owner.api.call("GET", f"/v1/files/{second['id']}/content", owner.key)
    assert answer.content == CONTENT


async def test_files_are_listed_the_newest_first(owner: Owner) -> None:
    names = []
    for number in range(5):
        owner.clock.advance(1)
        names.append((await upload(owner, name=f"{number}.bin"))["name"])
    first = (await owner.api.call("GET", "/v1/files?limit=3", owner.key)).json()
    rest = (await owner.api.call("GET", f"/v1/files?limit=3&cursor={first['next_cursor']}", owner.key)).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == names[::-1]
    assert rest["next_cursor"] is None
    one = (await owner.api.call("GET", "/v1/files?name=2.bin&origin=tenant", owner.key)).json()
    assert [item["name"] for item in one["items"]] == ["2.bin"]
    none = (await owner.api.call("GET", "/v1/files?origin=charge_point", owner.key)).json()
    assert none["items"] == []


async def test_another_tenant_finds_no_file(owner: Owner) -> None:
    shown = await upload(owner)
    key = await owner.api.key(await owner.api.tenant())
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content"), ("HEAD", "/content")):
        answer = await owner.api.call(method, f"/v1/files/{shown['id']}{path}", key)
        assert answer.status_code == 404
    assert (await owner.api.call("GET", "/v1/files", key)).json()["items"] == []


async def test_reading_needs_read_and_changing_needs_write(owner: Owner) -> None:
    reader = await owner.api.key(owner.tenant, "read")
    writer = await owner.api.key(owner.tenant, "write")
    refused = await owner.api.call("POST", "/v1/files?name=a", reader, content=b"x")
    assert refused.status_code == 403
    assert (await owner.api.call("GET", "/v1/files", writer)).status_code == 403
    assert (await owner.api.call("POST", "/v1/files?name=a", None, content=b"x")).status_code == 401

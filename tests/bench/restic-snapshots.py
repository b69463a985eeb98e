"""Writes N daily snapshots into a repository of restic, which itself takes half a second for each: `forget` reads no more.

The repository and its password are those of RESTIC_REPOSITORY and RESTIC_PASSWORD. A snapshot is a file of JSON, encrypted
with AES-256 in counter mode and sealed with Poly1305-AES, as restic's design document says ("Keys, Encryption and MAC").
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

keys = json.loads(subprocess.check_output(["restic", "cat", "masterkey", "-q"]))
encrypt = base64.b64decode(keys["encrypt"])
k, r = (base64.b64decode(keys["mac"][part]) for part in "kr")


def sealed(text):
    nonce = os.urandom(16)
    body = Cipher(algorithms.AES(encrypt), modes.CTR(nonce)).encryptor().update(text)
    pad = Cipher(algorithms.AES(k), modes.ECB()).encryptor().update(nonce)
    return nonce + body + Poly1305.generate_tag(r + pad, body)


folder = os.path.join(os.environ["RESTIC_REPOSITORY"], "snapshots")
newest = datetime(2026, 11, 24, 2, 15, tzinfo=timezone.utc)
for day in range(int(sys.argv[1])):
    snapshot = {
        "time": (newest - timedelta(days=day)).isoformat(),
        "tree": hashlib.sha256(b"tree").hexdigest(),
        "paths": ["/etc"],
        "hostname": "h1",
        "username": "root",
        "uid": 0,
        "gid": 0,
    }
    content = sealed(json.dumps(snapshot).encode())
    name = hashlib.sha256(content).hexdigest()
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)

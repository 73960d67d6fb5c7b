"""Does with pymacaroons what a Rust test asks for: a JSON list of tasks on stdin, a JSON list of answers on stdout.

Bytes travel as hexadecimal digits, tokens as the text that pymacaroons reads and writes.
"""

import json
import sys

from pymacaroons import MACAROON_V1, MACAROON_V2, Macaroon, Verifier
from pymacaroons.exceptions import MacaroonInvalidSignatureException
from pymacaroons.serializers import BinarySerializer


def appended(macaroon, caveats):
    for caveat in caveats:
        macaroon.add_first_party_caveat(bytes.fromhex(caveat))
    return macaroon.serialize(BinarySerializer())


def mint(task):
    macaroon = Macaroon(
        location=task["location"],
        identifier=bytes.fromhex(task["identifier"]),
        key=bytes.fromhex(task["key"]),
        version=MACAROON_V1 if task["version"] == 1 else MACAROON_V2,
    )
    return appended(macaroon, task["caveats"])


def attenuate(task):
    return appended(Macaroon.deserialize(task["token"]), task["caveats"])


def verify(task):
    macaroon = Macaroon.deserialize(task["token"])
    verifier = Verifier()
    verifier.satisfy_general(lambda predicate: True)
    try:
        valid = verifier.verify(macaroon, bytes.fromhex(task["key"]))
    except MacaroonInvalidSignatureException:
        valid = False
    return {
        "valid": valid,
        "identifier": macaroon.identifier_bytes.hex(),
        "location": macaroon.location,
        "caveats": [caveat.caveat_id_bytes.hex() for caveat in macaroon.caveats],
    }


TASKS = {"mint": mint, "attenuate": attenuate, "verify": verify}

json.dump([TASKS[task["do"]](task) for task in json.load(sys.stdin)], sys.stdout)

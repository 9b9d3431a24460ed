#!/usr/bin/env python3
"""Reads a file of tracer's evidence, written after tracer/docs/evidence.md alone.

Prints each entry as a line of JSON, a turn with its records in hexadecimal digits, and at the end the last
chain value. It stops at the first damage, which it names, with exit code 1. Needs python3-zstandard.
"""
import hashlib
import json
import struct
import sys
import zlib

import zstandard

MOST = 16 << 20


def check(is_good, what):
    if not is_good:
        sys.stdout.flush()
        sys.exit(f"damaged: {what}")


def unpack(data, at, size, count, version):
    """Unpacks records of one size; returns them, and where the next group begins."""
    words = (size + 7) // 8
    mask_bytes = (words + 7) // 8
    back = [data[at + row] | data[at + count + row] << 8 for row in range(count)]
    at += 2 * count
    masks = [sum(data[at + byte * count + row] << (8 * byte) for byte in range(mask_bytes)) for row in range(count)]
    at += mask_bytes * count
    columns = []
    for word in range(words):
        stored = sum(mask >> word & 1 for mask in masks)
        there, at = (0xff, at) if version == 1 else (data[at], at + 1)
        planes = []
        for byte in range(8):
            planes.append(data[at:at + stored] if there >> byte & 1 else bytes(stored))
            at += stored if there >> byte & 1 else 0
        columns.append(iter([int.from_bytes(bytes(value), "little") for value in zip(*planes)]))
    rows = []
    for row in range(count):
        rows.append([])
        for word in range(words):
            behind = min(row, 1) if word == 1 else back[row]
            value = rows[row - behind][word] if behind else 0
            if masks[row] >> word & 1:
                stored = next(columns[word])
                if word == 1:  # the sign is in the lowest bit
                    value = (value + ((stored >> 1) ^ -(stored & 1))) % 2**64
                elif version == 1:
                    value = (value + stored) % 2**64
                else:
                    value ^= stored
            rows[row].append(value)
    return [struct.pack(f"<{words}Q", *values)[:size].hex() for values in rows], at


def entries(plain, version):
    """Yields the entries of one payload."""
    length, = struct.unpack_from("<I", plain)
    text, at = plain[4:4 + length], 4 + length
    records, = struct.unpack_from("<I", plain, at)
    order, at = plain[at + 4:at + 4 + records], at + 4 + records
    lists, groups, at = [], plain[at], at + 1
    for _ in range(groups):
        size, count = struct.unpack_from("<II", plain, at)
        rows, at = unpack(plain, at + 8, size, count, version)
        lists.append(iter(rows))
    check(at == len(plain), "more follows the records")
    in_order = (next(lists[group]) for group in order)
    for line in text.splitlines():
        entry = json.loads(line)
        if entry["type"] == "turn":
            entry["records"] = [next(in_order) for _ in range(entry.get("records", 0))]
        yield entry


def main(name):
    with open(name, "rb") as file:
        head = file.read(56).ljust(56)
        magic, version, flags, crc, number, previous = struct.unpack("<8sHHIQ32s", head)
        check(magic == b"\x89TEV\r\n\x1a\n" and zlib.crc32(head[:12] + head[16:]) == crc, "the file's header")
        check(version in (1, 2), f"version {version} is not known here")
        chain = hashlib.sha256(head).digest()
        is_sealed = False
        while header := file.read(32):
            check(len(header) == 32, f"frame {number} is cut")
            magic, kind, _, found, stored, plain, crc, own = struct.unpack("<4sHHQIIII", header)
            check(magic == b"\xf5TEF" and zlib.crc32(header[:28]) == own, f"the header of frame {number}")
            check(max(stored, plain) <= MOST, f"frame {number} is too long")
            check(found == number, f"frame {found} stands in the place of {number}")
            payload, value = file.read(stored), file.read(32)
            check(len(value) == 32, f"frame {number} is cut")
            check(zlib.crc32(payload) == crc, f"the content of frame {number}")
            chain = hashlib.sha256(chain + header + payload).digest()
            check(chain == value and not is_sealed, f"the chain at frame {number}")
            text = zstandard.ZstdDecompressor().decompress(payload, max_output_size=MOST)
            check(len(text) == plain, f"the length of frame {number}")
            for entry in entries(text, version) if kind == 1 else []:
                print(json.dumps(entry))
            is_sealed, number = kind == 2, number + 1
        print(json.dumps({"type": "chain", "value": chain.hex(), "sealed": is_sealed}))


main(sys.argv[1])

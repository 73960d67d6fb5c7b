// Puts a compressed copy beside each text of the build, once, so that the server need not compress for every visitor.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const BUILD = "dist";
const TEXTS = new Set([".css", ".html", ".js", ".json", ".map", ".svg", ".txt", ".webmanifest"]);

for (const entry of readdirSync(BUILD, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !TEXTS.has(extname(entry.name))) {
    continue;
  }
  const file = join(entry.parentPath, entry.name);
  const content = readFileSync(file);
  const copies = { ".br": brotliCompressSync(content), ".gz": gzipSync(content, { level: 9 }) };
  for (const [suffix, copy] of Object.entries(copies)) {
    if (copy.length < content.length) {
      writeFileSync(file + suffix, copy);
    }
  }
}

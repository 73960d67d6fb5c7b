/** What `cargo xtask browser` says about the machine. */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(`${name} is missing: run these tests as \`cargo xtask browser\``);
  }
  return value;
}

/** Where the server under test answers: `http://localhost:<port>`. */
export function origin(): string {
  return required('SUBGRANT_BROWSER_ORIGIN');
}

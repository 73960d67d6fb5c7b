export function FirstRun(_: { root: string }) {
  return null;
}

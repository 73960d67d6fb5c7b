/** The product's sign. */
export function Mark() {
  return <img src="/favicon.svg" alt="" width={26} height={26} />;
}

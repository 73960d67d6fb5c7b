import { expect, test } from 'vitest';
import { csv } from './csv';

const cell = (value: string | number | null) => csv(['a'], [[value]]).split('\r\n')[1];

test('texts that spreadsheets take for formulas are made inert', () => {
  expect(cell('=HYPERLINK("http://evil")')).toBe(`"'=HYPERLINK(""http://evil"")"`);
  expect(['+1', '-1', '@SUM(A1)', '\tx', ' =1', '＝1'].map(cell)).toEqual(["'+1", "'-1", "'@SUM(A1)", "'\tx", "' =1", "'＝1"]);
});

test('numbers stay numbers, negative ones too', () => {
  expect([cell(-5), cell(1_000)]).toEqual(['-5', '1000']);
});

test('quotes, commas and line breaks stay inside their cell', () => {
  expect(csv(['a', 'b'], [['x,"y"', 'two\nlines'], [null, 'plain']])).toBe('a,b\r\n"x,""y""","two\nlines"\r\n,plain\r\n');
});

/** Code that spends with a token when it is pasted: standard libraries only. */
export interface Snippet {
  id: string;
  name: string;
  code: string;
}

export function snippets(origin: string, token: string): Snippet[] {
  const curl = `curl -X POST ${origin}/api/cloud/spend \\
  -H "Authorization: Bearer ${token}" \\
  -H "Content-Type: application/json" \\
  -d '{"amount_credits": 1, "description": "first spend"}'`;
  const python = `import json, urllib.request

TOKEN = "${token}"

def spend(amount_credits, description):
    request = urllib.request.Request(
        "${origin}/api/cloud/spend",
        data=json.dumps({"amount_credits": amount_credits, "description": description}).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)

print(spend(1, "first spend"))`;
  const typescript = `const TOKEN = "${token}";

async function spend(amount_credits: number, description: string) {
  const response = await fetch("${origin}/api/cloud/spend", {
    method: "POST",
    headers: { Authorization: \`Bearer \${TOKEN}\`, "Content-Type": "application/json" },
    body: JSON.stringify({ amount_credits, description }),
  });
  if (!response.ok) throw new Error((await response.json()).detail);
  return response.json();
}

console.log(await spend(1, "first spend"));`;
  return [
    { id: 'curl', name: 'curl', code: curl },
    { id: 'python', name: 'Python', code: python },
    { id: 'typescript', name: 'TypeScript', code: typescript },
  ];
}

using System.Text.Json.Nodes;
using LlmRL.Rewards;
using Xunit.Abstractions;

namespace LlmRL.Tests.Rewards;

public sealed class MathVerifierTests(ITestOutputHelper output)
{
    [SharedFact("data/verifier/triples.jsonl")]
    public void Agrees_with_other_verifiers_suites()
    {
        var lines = File.ReadAllLines(Shared.Path("data/verifier/triples.jsonl"));
        var right = 0;
        for (var i = 0; i < lines.Length; i++)
        {
            var row = JsonNode.Parse(lines[i])!;
            var verdict = JsonNode.Parse(MathVerifier.VerifyLine(lines[i]))!;
            if ((bool)verdict["equal"]! == (bool)row["equal"]!)
                right++;
            else
                output.WriteLine($"{i}: want {row["equal"]} gold {row["gold"]} extracted {verdict["extracted"]}");
        }

        output.WriteLine($"{right} of {lines.Length}");
        Assert.True(right >= 0.97 * lines.Length, $"{right} of {lines.Length}");
    }

    [SharedFact("data/verifier/gsm8k_graded_solutions.jsonl")]
    public void Grades_solutions_as_their_publisher_did()
    {
        var wrong = new List<string>();
        foreach (var line in File.ReadLines(Shared.Path("data/verifier/gsm8k_graded_solutions.jsonl")))
        {
            var row = JsonNode.Parse(line)!;
            var (equal, extracted) = MathVerifier.Check((string?)row["gold"], (string?)row["answer"]);
            if (equal != (bool)row["correct"]!)
                wrong.Add($"{row["correct"]} {extracted} | {((string)row["gold"]!)[^20..]} | {row["answer"]}");
        }

        foreach (var line in wrong.Take(20))
            output.WriteLine(line);
        Assert.Empty(wrong);
    }
}

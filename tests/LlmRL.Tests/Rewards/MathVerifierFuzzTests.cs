using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmRL.Rewards;
using Xunit.Abstractions;

namespace LlmRL.Tests.Rewards;

/// <summary>
/// Seeded inputs: changed answers of the tables and of the shared triples, formulas from a grammar, and random characters. Nothing throws and
/// no verdict takes long. LLMRL_FUZZ_VERIFIER sets their number; 1000000 is the full size.
/// </summary>
public sealed class MathVerifierFuzzTests(ITestOutputHelper output)
{
    private const int Short = 2_000;
    private const double LimitMilliseconds = 50;

    private static readonly string[] Pieces =
    [
        "\\boxed{", "}", "{", "(", ")", "[", "]", "|", "\\frac", "\\sqrt", "^", "_", "9", "99999", "9^9^9^9", "!", "x", "$", "\\(", "\\)", "answer is", "####", ",", "\\pm",
        "\\begin{pmatrix}", "&", "\\\\", "\\end{pmatrix}", "\\text{", " ", "\n", "\\cup", "=", "<", "\\in", "1e9999", "sin", "\\{", "\ud800", "é", "<think>", "</think>", "%",
        "/", "0", "\\over", "\\choose", "\\setminus", "\\overline{", "...", "cm", "\\begin{vmatrix}", "\\log_", "\\infty", "\\binom", "'", "1,234",
    ];

    private static readonly string[] Atoms = ["x", "y", "2", "17", "0.5", "\\pi", "e", "i", "\\frac12", "10^{40}", "\\infty", "a_1", "3\\frac14", "0.\\overline{3}"];

    [Fact]
    public void Nothing_throws_and_nothing_takes_long()
    {
        var count = int.TryParse(Environment.GetEnvironmentVariable("LLMRL_FUZZ_VERIFIER"), NumberStyles.None, CultureInfo.InvariantCulture, out var asked) ? asked : Short;
        var texts = Texts();
        foreach (var text in texts)
            _ = MathVerifier.Verify(text, text);
        var (slowest, slowestPair, over) = (0.0, "", 0);
        for (var i = 0; i < count; i++)
        {
            var random = new RandomStream(CounterRandom.Key(41, (ulong)i));
            var (gold, answer) = (Input(random, texts), Input(random, texts));
            var milliseconds = Time(gold, answer);
            // Another process may hold the core: the same work is timed again, which a slow answer does not survive.
            for (var again = 0; milliseconds > LimitMilliseconds && again < 3; again++)
                milliseconds = Time(gold, answer);
            over += milliseconds > LimitMilliseconds ? 1 : 0;
            if (milliseconds > slowest)
                (slowest, slowestPair) = (milliseconds, $"{gold} ¦ {answer}");
        }

        output.WriteLine($"{count} inputs, slowest {slowest:F1} ms: {slowestPair[..Math.Min(slowestPair.Length, 300)]}");
        Assert.Equal(0, over);
    }

    private static double Time(string gold, string answer)
    {
        var start = Stopwatch.GetTimestamp();
        _ = MathVerifier.Check(gold, answer);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static List<string> Texts()
    {
        var texts = MathCases.All().SelectMany(pair => new[] { pair.Gold, pair.Answer }).ToList();
        if (Shared.SkipUnless("data/verifier/triples.jsonl") is null)
        {
            foreach (var row in File.ReadLines(Shared.Path("data/verifier/triples.jsonl")).Select(line => JsonNode.Parse(line)!))
                texts.AddRange(new[] { row["gold"]?.ToString(), row["pred"]?.ToString() }.OfType<string>());
        }

        return texts;
    }

    private static string Input(RandomStream random, List<string> texts) => random.Next(0, 10) switch
    {
        < 5 => Changed(random.Pick(texts), random),
        < 7 => Formula(random, random.Next(1, 7)),
        < 9 => string.Concat(Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Pick(Pieces))),
        _ => string.Concat(Enumerable.Range(0, random.Next(1, 400)).Select(_ => (char)random.Next(0, random.NextBool() ? 128 : 65536))),
    };

    private static string Changed(string text, RandomStream random)
    {
        for (var change = random.Next(1, 5); change > 0; change--)
        {
            var at = random.Next(0, text.Length + 1);
            text = random.Next(0, 4) switch
            {
                0 => text[..at] + random.Pick(Pieces) + text[at..],
                1 => text[..at] + text[Math.Min(text.Length, at + random.Next(1, 6))..],
                2 => text[..at],
                _ => text + text[at..],
            };
        }

        return text;
    }

    private static string Formula(RandomStream random, int depth)
    {
        if (depth == 0)
            return random.Pick(Atoms);
        string Next() => Formula(random, depth - 1);
        return random.Next(0, 14) switch
        {
            0 => Next() + "+" + Next(),
            1 => Next() + "-" + Next(),
            2 => "(" + Next() + ")(" + Next() + ")",
            3 => "\\frac{" + Next() + "}{" + Next() + "}",
            4 => "{" + Next() + "}^{" + Next() + "}",
            5 => "\\sqrt{" + Next() + "}",
            6 => "\\sin(" + Next() + ")",
            7 => "(" + Next() + ", " + Next() + ")",
            8 => "\\{" + Next() + ", " + Next() + ", " + Next() + "\\}",
            9 => Next() + " = " + Next(),
            10 => "\\begin{pmatrix}" + Next() + " & " + Next() + "\\\\" + Next() + " & " + Next() + "\\end{pmatrix}",
            11 => "(" + Next() + ")!",
            12 => "\\log_{" + Next() + "}{" + Next() + "}",
            _ => Next(),
        };
    }
}

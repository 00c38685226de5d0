using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace LlmRL.Tests.Fuzz;

/// <summary>Seeded rounds of damaged inputs. LLMRL_FUZZ_SECONDS=600 makes each test go on for so long; short otherwise.</summary>
internal static class Fuzz
{
    private static readonly string[] Values =
    [
        "null", "true", "0", "-1", "3", "1e999", "-1e308", "2147483647", "99999999999999999999", "268435455", "9223372036854775807", "\"\"", "\"a\"", "\"(((((\"", "\"[\"", "[]", "[0]", "{}",
        "[[[[1]]]]", "{\"type\":\"Sequence\"}", "{\"type\":\"BPE\"}", "{\"Regex\":\"(a|(b)\"}", "\"BPE\"", "\"WordLevel\"", "\"Unigram\"", "\"▁\"", "0.5", "[\"a\",\"b\"]", "{\"a\":1}",
        "\"../../x\"", "\"/etc/passwd\"", "[0, 9223372036854775807]", "\"F64\"", "\"llama\"", "\"gpt2\"",
    ];

    private static readonly double Seconds =
        double.TryParse(Environment.GetEnvironmentVariable("LLMRL_FUZZ_SECONDS"), NumberStyles.Float, CultureInfo.InvariantCulture, out var asked) ? asked : 0;

    /// <summary>Runs rounds, each with random numbers of its own; the round's number is in the message of a failure.</summary>
    /// <param name="least">How many at least.</param>
    /// <param name="seed">Of all rounds.</param>
    /// <param name="round">One round.</param>
    public static void Rounds(int least, ulong seed, Action<RandomStream> round)
    {
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < least || clock.Elapsed.TotalSeconds < Seconds; i++)
        {
            try
            {
                round(new RandomStream(CounterRandom.Key(seed, (ulong)i)));
            }
            catch (Exception fault)
            {
                throw new InvalidOperationException($"round {i} of seed {seed}: {fault.GetType().Name}: {fault.Message}", fault);
            }
        }
    }

    /// <summary>Reads something that may be refused, with one message that names the file and nothing else, in bounded time and memory.</summary>
    /// <returns>Whether it was read.</returns>
    public static bool Reads(string file, Action read, long mostBytes = 256L << 20, double mostSeconds = 20)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        var done = true;
        try
        {
            read();
        }
        catch (BadInputException fault)
        {
            Assert.Contains(file, fault.Message, StringComparison.Ordinal);
            done = false;
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, mostBytes);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, mostSeconds);
        return done;
    }

    /// <summary>Cut off, a few bytes changed, or a stretch doubled.</summary>
    public static byte[] Damage(byte[] content, RandomStream random)
    {
        if (content.Length == 0)
            return content;
        content = [.. content];
        var place = random.Next(0, content.Length);
        if (random.Next(0, 4) == 0)
            return content[..place];
        if (random.Next(0, 4) == 0)
            return [.. content[..place], .. content[Math.Max(0, place - 20)..]];
        for (var change = random.Next(1, 6); change > 0; change--)
            content[random.Next(0, content.Length)] = (byte)random.Next(0, 256);
        return content;
    }

    /// <summary>A JSON text with other values, or none, at one to three places.</summary>
    public static string Changed(string json, RandomStream random)
    {
        var root = JsonNode.Parse(json)!;
        for (var change = random.Next(1, 4); change > 0; change--)
            Change(root, random);
        return root.ToJsonString();
    }

    private static void Change(JsonNode root, RandomStream random)
    {
        var node = root;
        while (true)
        {
            var children = node switch { JsonObject map => map.Select(p => p.Value).OfType<JsonNode>().ToList(), JsonArray list => [.. list.OfType<JsonNode>()], _ => [] };
            if (children.Count == 0 || (node != root && random.Next(0, 4) == 0))
                break;
            node = random.Pick(children);
        }

        if (node.Parent is JsonObject parent && random.Next(0, 5) == 0)
            parent.Remove(node.GetPropertyName());
        else if (node != root)
            node.ReplaceWith(JsonNode.Parse(random.Pick(Values)));
    }
}

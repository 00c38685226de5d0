using System.Globalization;

namespace LlmRL.Data;

/// <summary>
/// A model of the TL;DR summarisation experiment (Stiennon et al. 2020, arXiv 2009.01325) that a transformer of a million parameters learns:
/// posts of 60 to 95 tokens in which a few sentences carry facts, references by fallible writers, and pairs labelled by Bradley–Terry noise over
/// the hidden <see cref="TldrJudge"/>.
/// </summary>
/// <remarks>
/// Every example holds the prompt, a reference (<see cref="Example.Completion"/>), a labelled pair, and U(chosen) − U(rejected) in the field
/// <c>gold_margin</c>. The hash of a post's facts decides its split (buckets 0–3 sft, 4–6 reward, 7–8 rl, 9 test). Row i is a pure function of
/// (settings, split, i); rows of the test split are distinct.
/// </remarks>
public sealed class TldrGenerator : IExampleSource, INoisyLabels
{
    private static readonly ulong Stream = CounterRandom.Hash("tldr");

    private readonly TldrSettings settings;
    private readonly DataSplit split;
    private readonly SplitDraws draws;

    /// <summary>Creates the split.</summary>
    /// <param name="split">sft, reward, rl or test.</param>
    /// <param name="count">How many posts.</param>
    /// <param name="settings">What is written; null for the defaults.</param>
    public TldrGenerator(DataSplit split, int count, TldrSettings? settings = null)
    {
        this.settings = settings ?? new TldrSettings();
        this.settings.Check();
        this.split = split;
        draws = new SplitDraws("tldr", "post", split, count, draw => TldrPost.Canonical(DrawFacts(draw, out _).Facts), "Lower count.");
    }

    /// <summary>Every word and punctuation mark of posts and summaries, sorted: a vocabulary for a word tokenizer.</summary>
    public static IReadOnlyList<string> Vocabulary { get; } = [.. TldrLexicon.AllWords()];

    /// <inheritdoc/>
    public int Count => draws.Count;

    /// <inheritdoc/>
    public Example this[int index]
    {
        get
        {
            var drawn = DrawFacts(draws[index], out var random);
            var post = TldrPost.Write(drawn.Values, drawn.Facts, settings, random);
            var reference = TldrWriter.Human(post, settings.ReferenceSkill, settings.MistakeRate, random);
            var (chosen, rejected, margin) = Pair(post, random);
            return new Example
            {
                Prompt = post.Prompt,
                Completion = Text(reference),
                Chosen = Text(chosen),
                Rejected = Text(rejected),
                Difficulty = post.Facts.Count,
                Source = $"tldr/{split.Name()}/{index}",
                Fields = new Dictionary<string, string> { ["gold_margin"] = margin.ToString("R", CultureInfo.InvariantCulture) },
            };
        }
    }

    /// <summary>
    /// The accuracy of an ideal reward model on these pairs: the mean of max(p, 1 − p), p = σ((U(chosen) − U(rejected)) / τ), which the label
    /// noise allows at most.
    /// </summary>
    /// <param name="sample">How many of the first pairs to average over.</param>
    public double BayesAccuracy(int sample = 2000)
    {
        sample = Math.Min(sample, Count);
        var sum = 0.0;
        for (var i = 0; i < sample; i++)
        {
            var p = Preference(double.Parse(this[i].Fields["gold_margin"], CultureInfo.InvariantCulture));
            sum += Math.Max(p, 1 - p);
        }

        return sum / sample;
    }

    /// <summary>The split that a post belongs to.</summary>
    public static DataSplit SplitOf(string prompt) => SplitOf(TldrPost.Parse(prompt));

    private static DataSplit SplitOf(IEnumerable<TldrFact> facts) => DataSplits.Bucket(TldrPost.Canonical(facts)) switch
    {
        < 4 => DataSplit.Sft,
        < 7 => DataSplit.Reward,
        < 9 => DataSplit.Rl,
        _ => DataSplit.Test,
    };

    private static string Text(IEnumerable<string> words) => " " + TldrTemplate.Join(words);

    private (Dictionary<string, string> Values, List<TldrFact> Facts) DrawFacts(int draw, out RandomStream random)
    {
        random = new RandomStream(CounterRandom.Key((ulong)settings.DataSeed, Stream, (ulong)split, (ulong)draw));
        while (true)
        {
            var drawn = TldrPost.DrawFacts(random);
            if (SplitOf(drawn.Facts) == split)
                return drawn;
        }
    }

    private (List<string> Chosen, List<string> Rejected, double Margin) Pair(TldrPost post, RandomStream random)
    {
        var a = TldrWriter.Candidate(post, settings.MistakeRate, random);
        var b = TldrWriter.Candidate(post, settings.MistakeRate, random);
        for (var retry = 0; a.SequenceEqual(b) && retry < 8; retry++)
            b = TldrWriter.Candidate(post, settings.MistakeRate, random);
        var margin = TldrJudge.Utility(post.Facts, a) - TldrJudge.Utility(post.Facts, b);
        return random.NextBool(Preference(margin)) ? (a, b, margin) : (b, a, -margin);
    }

    private double Preference(double margin) => PreferenceNoise.Probability(margin, settings.LabelNoise);
}

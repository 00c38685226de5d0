using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using LlmRL.Data;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Runs;
using LlmRL.Training;

namespace LlmRL.Algorithms;

/// <summary>
/// Makes preference pairs from a policy's own completions: of each prompt's completions the first two that differ are compared by a judge whose labels are noisy,
/// P(a ≻ b) = σ((u_a − u_b)/τ) (<see cref="PreferenceNoise"/>). Other stages read them as <c>data: { stage: NAME }</c>. With a reward model and RL on them, and the
/// next labels from the policy that comes out, this is iterated RLHF (Bai et al. 2022, arXiv 2204.05862, section 4.5).
/// </summary>
[Variant("label", Title = "Labelled pairs",
    About = "The model answers each prompt several times, and a judge who errs now and then says which of two answers is better.")]
public sealed record Label : Stage
{
    private const int PromptsAtOnce = 256;

    /// <summary>The policy that answers: an earlier stage, a folder, or <c>base</c>.</summary>
    public required string Policy { get; init; }

    /// <summary>The prompts, one pair each. They are gone through in an order of the stage's own, so that rounds ask about different ones.</summary>
    public required DataSource Data { get; init; }

    /// <summary>What is better: the judge's utility u of a completion.</summary>
    public required IRewardSource Judge { get; init; }

    /// <summary>How many pairs are made.</summary>
    [Range(1, int.MaxValue)]
    public required int Pairs { get; init; }

    /// <summary>τ of the labels, in units of the judge's utility; 0 labels without noise.</summary>
    [Range(0.0, 1e6)]
    public double LabelNoise { get; init; } = 1;

    /// <summary>An earlier label stage whose pairs come first, so that a reward model learns from both. Null: none.</summary>
    public string? After { get; init; }

    /// <summary>G: completions per prompt. Where all are the same text, the prompt gives no pair.</summary>
    [Range(2, 1 << 16)]
    public int NumGenerations { get; init; } = 4;

    /// <summary>τ of sampling: logits are divided by it.</summary>
    [Range(0.01, 100.0)]
    public double Temperature { get; init; } = 1;

    /// <summary>Nucleus sampling: the smallest set of tokens with at least this probability.</summary>
    [Range(0.0, 1.0)]
    public double TopP { get; init; } = 1;

    /// <summary>Most tokens of a completion.</summary>
    [Range(1, 1 << 20)]
    public int MaxCompletionLength { get; init; } = 64;

    /// <summary>Most tokens that go through a judging model at once.</summary>
    [Range(16, int.MaxValue)]
    public int MicroBatchTokens { get; init; } = MicroBatches.DefaultTokens;

    /// <inheritdoc/>
    public override bool HasModel => false;

    /// <inheritdoc/>
    public override IEnumerable<string> Inputs => [Policy, .. Judge.Models];

    /// <summary>The file of a label stage's pairs in a run.</summary>
    public static string FileOf(RunDirectory directory, string stage) => Path.Combine(FolderOf(directory, stage), "pairs.jsonl");

    /// <summary>The folder of <see cref="FileOf"/>, which holds nothing else.</summary>
    internal static string FolderOf(RunDirectory directory, string stage) => Path.Combine(directory.Root, "data", stage);

    /// <inheritdoc/>
    public override StageSummary Run(StageContext context)
    {
        context.Log.StageStarted(Name, context.Kind(this), Pairs);
        var tally = new Tally();
        var file = FileOf(context.Run.Directory, Name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        AtomicFile.Write(file, stream =>
        {
            if (After is { } earlier)
            {
                using var before = File.OpenRead(FileOf(context.Run.Directory, earlier));
                before.CopyTo(stream);
            }

            Sample(context, stream, tally);
        });
        if (tally.Pairs < Pairs)
            context.Run.Console.Warn($"{Name}: {context.Open(Data).Count:N0} prompts gave {tally.Pairs:N0} pairs of the {Pairs:N0} wanted; the answers to the others are all the same. Give it more prompts, or raise num_generations.");
        return tally.Pairs > 0 ? context.Summary(this, tally.Metrics()) : throw new BadInputException(
            $"stage {Name}: no prompt has two answers that differ, so there is nothing to compare. Raise temperature or num_generations.");
    }

    private void Sample(StageContext context, Stream stream, Tally tally)
    {
        using var policy = context.LoadModel(Policy, trainable: false);
        using var sampler = new PolicySampler(policy, context);
        using var scorer = new RewardScorer(Judge, context, MicroBatchTokens);
        var data = context.Open(Data);
        var order = new EpochSampler(data.Count, context.Key("prompts"));
        var options = new SamplingOptions { Temperature = Temperature, TopP = TopP, MaxNewTokens = MaxCompletionLength };
        for (var first = 0; first < data.Count && tally.Pairs < Pairs; first += PromptsAtOnce)
        {
            var examples = Enumerable.Range(first, Math.Min(Math.Min(PromptsAtOnce, Pairs - tally.Pairs), data.Count - first)).Select(i => data[order[i]]).ToArray();
            var key = new SampleKey(context.Key("sampling"), (ulong)first);
            foreach (var (i, answers) in sampler.Sample(examples, NumGenerations, options, key, scorer).Groups().Index())
                Compare(answers, CounterRandom.Uniform(context.Key("labels"), (ulong)(first + i), 0), stream, tally);
            context.Log.Step(tally.Pairs, tally.Metrics());
        }
    }

    /// <summary>Writes a prompt's pair, labelled by a uniform number, where two of its completions differ.</summary>
    private void Compare(IReadOnlyList<Trajectory> answers, double uniform, Stream stream, Tally tally)
    {
        var (a, b) = (answers[0], answers.FirstOrDefault(other => other.Text != answers[0].Text));
        if (a.Example.Conversation is not null)
            throw new BadInputException($"{a.Example.Source}: this row is a conversation, and a label stage writes plain texts. Give it data with plain prompts.");
        var probability = b is null ? 0.5 : PreferenceNoise.Probability(a.Score - b.Score, LabelNoise);
        tally.Add(answers, b is null ? null : probability);
        if (b is null)
            return;
        var (chosen, rejected) = uniform < probability ? (a, b) : (b, a);
        tally.Label(chosen.Score - rejected.Score);
        stream.Write(JsonSerializer.SerializeToUtf8Bytes(new
        {
            prompt = a.Example.Prompt,
            chosen = chosen.Text,
            rejected = rejected.Text,
            chosen_score = chosen.Score,
            rejected_score = rejected.Score,
        }, JsonLayout.OneLine));
        stream.WriteByte((byte)'\n');
    }

    /// <summary>What is known of the labels so far.</summary>
    private sealed class Tally
    {
        private double score, limit, agreement;
        private int completions, prompts;

        public int Pairs { get; private set; }

        public void Add(IReadOnlyList<Trajectory> answers, double? probability)
        {
            prompts++;
            completions += answers.Count;
            score += answers.Sum(answer => answer.Score);
            limit += probability is { } p ? Math.Max(p, 1 - p) : 0;
        }

        public void Label(double margin)
        {
            Pairs++;
            agreement += margin > 0 ? 1 : margin < 0 ? 0 : 0.5;
        }

        /// <summary>Pairs made, prompts asked, the mean score of all completions, and how many labels agree with the scores, expected and as drawn.</summary>
        public OrderedDictionary<string, double> Metrics() => new()
        {
            ["pairs"] = Pairs,
            ["prompts"] = prompts,
            ["mean_reward"] = score / Math.Max(1, completions),
            ["accuracy_limit"] = limit / Math.Max(1, Pairs),
            ["accuracy"] = agreement / Math.Max(1, Pairs),
        };
    }
}

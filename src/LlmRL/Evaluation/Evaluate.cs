using System.ComponentModel.DataAnnotations;
using LlmRL.Algorithms;
using LlmRL.Evaluation.Judges;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Runs;
using LlmRL.Training;

namespace LlmRL.Evaluation;

/// <summary>
/// Measures policies on held-out prompts: pass@k and maj@k against a verifier, win rate against reference completions by a judge, reward, KL to a reference
/// policy, length, diversity; and reward models on held-out pairs. All policies answer the same prompts with the same random numbers.
/// </summary>
[Variant("evaluate", Title = "Evaluation",
    About = "Models answer prompts that they were not trained on.")]
public sealed record Evaluate : Stage, IValidated
{
    /// <summary>The policies: stages, folders, or <c>base</c>.</summary>
    public required IReadOnlyList<string> Policies { get; init; }

    /// <summary>The prompts, with answers or reference completions.</summary>
    public required DataSource Data { get; init; }

    /// <summary>The k of pass@k; the largest is the number of completions per prompt. Empty: one completion per prompt and no pass@k.</summary>
    public IReadOnlyList<int> PassAtK { get; init; } = [];

    /// <summary>
    /// The k of maj@k: whether the answer that most of the first k completions give is right (see <see cref="Evaluation.MajAtK"/>). Answers are read and compared by the
    /// math verifier.
    /// </summary>
    public IReadOnlyList<int> MajAtK { get; init; } = [];

    /// <summary>
    /// The n of best-of-n by <see cref="Reward"/> (see <see cref="Evaluation.BestOfN"/>): each is measured as a policy of its own, <c>win_rate/POLICY-best-of-4</c>. The
    /// largest is the number of completions per prompt.
    /// </summary>
    public IReadOnlyList<int> BestOfN { get; init; } = [];

    /// <summary>What decides whether a completion passes (score ≥ 1); the math verifier by default.</summary>
    public IReward Verifier { get; init; } = new MathReward();

    /// <summary>Scores completions; reported as <c>reward/POLICY</c>.</summary>
    public IRewardSource? Reward { get; init; }

    /// <summary>
    /// Compares completions with the data's reference completions: <c>win_rate/POLICY</c>. A judge that scores completions reports its own score as <c>gold/POLICY</c>, a
    /// reward model as <c>judge_score/POLICY</c>; a server how often it was undecided, as <c>judge_ties/POLICY</c> and <c>judge_inconsistent/POLICY</c>.
    /// </summary>
    public IJudge? Judge { get; init; }

    /// <summary>The policy that <c>kl/POLICY</c> is measured against; by default the first one.</summary>
    public string? Reference { get; init; }

    /// <summary>Reward models whose accuracy is measured on <see cref="Pairs"/>.</summary>
    public IReadOnlyList<string> RewardModels { get; init; } = [];

    /// <summary>Held-out preference pairs.</summary>
    public DataSource? Pairs { get; init; }

    /// <summary>τ: sampling temperature; 0 takes the most probable token.</summary>
    [Range(0.0, 100.0)]
    public double Temperature { get; init; } = 1;

    /// <summary>Nucleus sampling: the smallest set of tokens with at least this probability.</summary>
    [Range(0.0, 1.0)]
    public double TopP { get; init; } = 1;

    /// <summary>Most tokens of a completion.</summary>
    [Range(1, 1 << 20)]
    public int MaxCompletionLength { get; init; } = 64;

    /// <summary>Most tokens that go through a model at once.</summary>
    [Range(16, int.MaxValue)]
    public int MicroBatchTokens { get; init; } = MicroBatches.DefaultTokens;

    /// <summary>How many prompts' completions are kept for the report.</summary>
    [Range(0, 10000)]
    public int LogCompletions { get; init; } = 8;

    /// <inheritdoc/>
    public override bool HasModel => false;

    /// <inheritdoc/>
    public override IEnumerable<string> Inputs =>
        Policies.Concat(RewardModels).Concat(Reference is null ? [] : [Reference]).Concat(Reward?.Models ?? []).Concat(JudgeSetup.Models(Judge));

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (PassAtK.Any(k => k < 1))
            yield return (nameof(PassAtK), $"k is {PassAtK.Min()} but must be at least 1");
        if (MajAtK.Any(k => k < 1))
            yield return (nameof(MajAtK), $"k is {MajAtK.Min()} but must be at least 1");
        if (MajAtK.Count > 0 && Verifier is not MathReward)
            yield return (nameof(MajAtK), "a vote needs answers, which only the math verifier reads; take out verifier or maj_at_k");
        if (BestOfN.Any(n => n < 1))
            yield return (nameof(BestOfN), $"n is {BestOfN.Min()} but must be at least 1");
        if (BestOfN.Count > 0 && Reward is null)
            yield return (nameof(BestOfN), "the best is the one with the highest reward, of which there is none; add reward");
        if (RewardModels.Count > 0 && Pairs is null)
            yield return (nameof(RewardModels), "their accuracy is measured on pairs; name held-out ones under pairs");
    }

    /// <inheritdoc/>
    public override StageSummary Run(StageContext context)
    {
        var metrics = new OrderedDictionary<string, double>();
        context.Log.StageStarted(Name, context.Kind(this), Policies.Count + RewardModels.Count);
        var done = 0;
        using (var evaluation = new PolicyEvaluation(this, context))
        {
            foreach (var policy in Policies)
                Report(evaluation.Measure(policy));
        }

        foreach (var model in RewardModels)
            Report(RewardModelEvaluation.Measure(this, model, context));
        return context.Summary(this, metrics);

        void Report(IEnumerable<KeyValuePair<string, double>> measured)
        {
            var rows = measured.ToArray();
            foreach (var (name, value) in rows)
                metrics[name] = value;
            context.Log.Step(++done, rows);
        }
    }
}

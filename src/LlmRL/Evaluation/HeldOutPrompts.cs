using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Runs;
using LlmRL.Training;

namespace LlmRL.Evaluation;

/// <summary>
/// How a policy in training does on prompts that it is not trained on, by the stage's own reward. Means are over prompts, standard errors s/√n too: completions of one
/// prompt are not independent.
/// </summary>
/// <param name="stage">The stage, with <see cref="OnlineStage.EvalData"/>.</param>
/// <param name="context">Its surroundings.</param>
/// <param name="sampler">Samples and scores from the policy as it is at the moment.</param>
/// <param name="models">The reference policy.</param>
/// <param name="budget">How many tokens go through the reference at once.</param>
internal sealed class HeldOutPrompts(OnlineStage stage, StageContext context, TrajectorySampler sampler, OnlineModels models, MicroBatchBudget budget)
{
    private readonly EvalSampling sampling = stage.EvalSampling ?? new EvalSampling();
    private Example[]? examples;
    private Rollout? answered;

    /// <summary>
    /// Reward, each of its terms, pass@k where a term is the math verifier, KL(π‖π_ref) where there is a reference and π is sampled whole, and length, under the names that training
    /// logs them by.
    /// </summary>
    public IReadOnlyList<KeyValuePair<string, double>> Measure()
    {
        var options = sampling.Options(stage);
        var key = sampling.Seed is { } seed ? CounterRandom.Key(seed, CounterRandom.Hash("evaluation")) : context.Key("evaluation");
        var rollout = sampler.SampleHeldOut(examples ??= Open(), sampling.NumGenerations, options, new SampleKey(key, 0));
        answered = rollout;
        var rows = new List<KeyValuePair<string, double>>();
        AddMean("reward", trajectory => trajectory.LoggedReward);
        foreach (var term in RewardTerm.Flatten(stage.Reward))
            AddMean($"rewards/{term.Name}/mean", trajectory => trajectory.Rewards[term.Name], withError: false);
        if (rollout.Trajectories.Count(trajectory => trajectory.FailedRewards.Count > 0) is > 0 and var failures)
            rows.Add(new("rewards/failures", failures));
        AddPassRates(rollout, rows);
        if (models.Reference is not null && sampling.IsWholeDistribution(stage))
        {
            budget.Run(size => models.AddReferenceLogProbs(rollout, size, options.Temperature));
            AddMean("objective/kl", trajectory => trajectory.KlToReference());
        }

        AddMean("completions/mean_length", trajectory => trajectory.Length, withError: false);
        AddMean("completions/clipped_ratio", trajectory => trajectory.IsTruncated ? 1 : 0, withError: false);
        return rows;

        // What does not apply to a completion, or could not be scored, is left out.
        void AddMean(string metric, Func<Trajectory, double> value, bool withError = true) =>
            Add(rows, metric, rollout.Groups().Select(group => group.Select(value).Where(double.IsFinite).ToArray()).Where(values => values.Length > 0).Select(values => values.Average()), withError);
    }

    /// <summary>Keeps a few of the completions that were measured last, always of the same prompts.</summary>
    /// <param name="steps">Steps done before.</param>
    public void LogSamples(int steps)
    {
        RolloutMetrics.LogHeldOutSamples(answered!, stage, context, steps);
        answered = null;
    }

    /// <summary>The names of what <see cref="Measure"/> can give of a stage, as they are logged.</summary>
    public static IEnumerable<string> Metrics(OnlineStage stage)
    {
        var (sampling, terms) = (stage.EvalSampling ?? new EvalSampling(), RewardTerm.Flatten(stage.Reward));
        string[] withError =
        [
            "reward", .. sampling.IsWholeDistribution(stage) && stage.NeedsReference ? ["objective/kl"] : Array.Empty<string>(),
            .. terms.Any(term => VerifierOf(term.Reward) is not null) ? ["pass@1", $"pass@{sampling.NumGenerations}"] : Array.Empty<string>(),
        ];
        return withError.Concat(withError.Select(name => name + "_se")).Concat(terms.Select(term => $"rewards/{term.Name}/mean"))
            .Concat(["rewards/failures", "completions/mean_length", "completions/clipped_ratio"]).Select(name => MetricCatalog.HeldOutPrefix + name).Distinct();
    }

    private static void Add(List<KeyValuePair<string, double>> rows, string metric, IEnumerable<double> prompts, bool withError)
    {
        var items = prompts.ToArray();
        if (items.Length == 0)
            return;
        var estimate = Estimate.Mean(items);
        rows.Add(new(metric, estimate.Value));
        if (withError && estimate.Count > 1)
            rows.Add(new(metric + "_se", estimate.StandardError));
    }

    /// <summary>pass@1, and pass@G of G completions per prompt, by the first of the rewards that is a verifier; see <see cref="PassAtK"/>.</summary>
    private void AddPassRates(Rollout rollout, List<KeyValuePair<string, double>> rows)
    {
        var found = RewardTerm.Flatten(stage.Reward).Select(term => (Term: term, Verifier: VerifierOf(term.Reward))).FirstOrDefault(pair => pair.Verifier is not null);
        if (found.Verifier is not { } verifier)
            return;
        var right = rollout.Groups().Where(group => found.Term.AppliesTo(group[0].Example)).AsParallel().AsOrdered().WithCancellation(context.Cancellation)
            .Select(group => group.Count(trajectory => verifier.Score(trajectory.Example, trajectory.Text) >= 1)).ToArray();
        foreach (var k in new[] { 1, rollout.GroupSize }.Distinct())
            Add(rows, $"pass@{k}", right.Select(count => PassAtK.Problem(rollout.GroupSize, count, k)), withError: true);
    }

    private static IReward? VerifierOf(IRewardSource reward) => reward switch
    {
        // A bonus for the form makes no answer right.
        MathReward math => math with { FormatBonus = 0 },
        CosineLengthReward { Verifier: MathReward math } => math with { FormatBonus = 0 },
        _ => null,
    };

    private Example[] Open()
    {
        var data = context.Open(stage.EvalData!);
        var limit = models.Policy.Config.GenerationLength - sampling.Options(stage).MaxNewTokens;
        var all = Enumerable.Range(0, data.Count).Select(i => data[i]).ToArray();
        return all.FirstOrDefault(example => context.EncodePrompt(example).Length > limit) is { } tooLong
            ? throw new BadInputException($"{tooLong.Source}: the prompt has more than {limit} tokens, so that max_completion_length {sampling.Options(stage).MaxNewTokens} does not fit the model's positions; shorten the prompts of eval_data, or lower eval_sampling.max_completion_length.")
            : all;
    }
}

using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Alarms;
using LlmRL.Losses;
using LlmRL.Models.Lora;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Runs;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>Where the KL to the reference policy is charged.</summary>
public enum KlPlacement
{
    /// <summary>In the reward, as −β·k (arXiv 1909.08593): with k1 its gradient is exactly that of the KL.</summary>
    Reward,

    /// <summary>In the loss, as +β·k (arXiv 2402.03300): of the estimators only k2 has the gradient of the KL.</summary>
    Loss,
}

/// <summary>β moves so that the KL per completion stays near a target; see <see cref="AdaptiveKlController"/>.</summary>
public sealed record AdaptiveKl
{
    /// <summary>Wanted KL(π‖π_ref) per completion, in nats.</summary>
    [Range(1e-6, 1e6)]
    public double Target { get; init; } = 6;

    /// <summary>Completions over which β can grow e^0.2-fold.</summary>
    [Range(1, int.MaxValue)]
    public int Horizon { get; init; } = 10_000;
}

/// <summary>Prompts whose completions all have the same score teach nothing; others are sampled in their place (DAPO, arXiv 2503.14476, section 3.2).</summary>
public sealed record DynamicSampling
{
    /// <summary>At most so many rounds of sampling a step; what is missing then is filled with what there was.</summary>
    [Range(2, 1000)]
    public int MaxRounds { get; init; } = 4;
}

/// <summary>
/// A stage that learns from its own samples: sample → score → reference log-probs → advantages → epochs × minibatches. An algorithm is the
/// hyper-parameters and two methods: <see cref="ComputeAdvantages"/> and <see cref="PolicyLoss"/>.
/// </summary>
public abstract record OnlineStage : TrainingStage, IValidated, IWatchedStage
{
    private const string BetaKey = "beta";

    /// <summary>The model to start from: an earlier stage, a folder, or <c>base</c> for the recipe's model.</summary>
    public required string Policy { get; init; }

    /// <summary>
    /// Low-rank adapters that are trained in place of all weights, the value network's too; by default there are none. The reference is then the policy without
    /// them.
    /// </summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>The policy that the KL is measured against; by default where <see cref="Policy"/> starts from, usually the SFT policy.</summary>
    public string? Reference { get; init; }

    /// <summary>The prompts.</summary>
    public required DataSource Data { get; init; }

    /// <summary>Held-out prompts, which the policy answers every <see cref="EvalSteps"/> steps and after the last one; scored by the stage's reward, logged as <c>eval/…</c>.</summary>
    public DataSource? EvalData { get; init; }

    /// <summary>Steps from one evaluation on <see cref="EvalData"/> to the next; 0: only after the last step.</summary>
    [Range(0, int.MaxValue)]
    public int EvalSteps { get; init; }

    /// <summary>Whether the policy is evaluated before the first step too.</summary>
    public bool EvalOnStart { get; init; }

    /// <summary>How held-out prompts are answered; by default as in training, once each.</summary>
    public EvalSampling? EvalSampling { get; init; }

    /// <summary>What completions are scored by.</summary>
    public required IRewardSource Reward { get; init; }

    /// <summary>Prompts per step.</summary>
    [Range(1, 1 << 20)]
    public int PromptsPerStep { get; init; } = 16;

    /// <summary>G: completions per prompt.</summary>
    [Range(1, 1 << 16)]
    public virtual int NumGenerations { get; init; } = 8;

    /// <summary>Most tokens of a completion, EOS included.</summary>
    [Range(1, 1 << 20)]
    public int MaxCompletionLength { get; init; } = 64;

    /// <summary>τ: logits are divided by it when sampling and in all log-probabilities.</summary>
    [Range(0.01, 100.0)]
    public double Temperature { get; init; } = 1;

    /// <summary>β: weight of the KL to the reference policy.</summary>
    [Range(0.0, 1e6)]
    public virtual double Beta { get; init; } = 0.05;

    /// <summary>Whether the KL is charged in the reward or in the loss.</summary>
    public virtual KlPlacement KlIn { get; init; } = KlPlacement.Reward;

    /// <summary>Which estimator of the KL is charged.</summary>
    public virtual KlEstimator KlEstimator { get; init; } = KlEstimator.K1;

    /// <summary>Lets β move towards a target KL; by default it is fixed.</summary>
    public AdaptiveKl? AdaptiveKl { get; init; }

    /// <summary>The epochs over a rollout end early once KL(π_old‖π) per token exceeds this, in nats; null: never (Spinning Up, CleanRL).</summary>
    [Range(0.0, 1e6)]
    public double? TargetKl { get; init; }

    /// <summary>Whether the reference follows the policy: π_ref ← α·π + (1 − α)·π_ref on the weights, every <see cref="RefModelSyncSteps"/> steps (arXiv 2404.09656).</summary>
    public bool SyncRefModel { get; init; }

    /// <summary>α of the reference's refresh; 1 copies the policy.</summary>
    [Range(0.0, 1.0)]
    public double RefModelMixupAlpha { get; init; } = 0.6;

    /// <summary>Steps from one refresh of the reference to the next.</summary>
    [Range(1, int.MaxValue)]
    public int RefModelSyncSteps { get; init; } = 512;

    /// <summary>Epochs over each sampling phase's completions.</summary>
    [Range(1, 1000)]
    public virtual int NumIterations { get; init; } = 1;

    /// <summary>Optimizer steps per epoch: the completions are cut into so many minibatches.</summary>
    [Range(1, 1 << 16)]
    public virtual int NumMiniBatches { get; init; } = 1;

    /// <summary>Penalty of a completion without a stop token, in units of the score; null: none.</summary>
    [Range(0.0, 1e6)]
    public double? MissingEosPenalty { get; init; }

    /// <summary>Whether the penalty is subtracted from the score or takes its place.</summary>
    public MissingEosMode MissingEosMode { get; init; } = MissingEosMode.Subtract;

    /// <summary>Scores are held within [low, high] before penalties; null: as they are.</summary>
    public IReadOnlyList<double>? RewardClipRange { get; init; }

    /// <summary>C of DAPO's soft overlong punishment: the last C tokens below max_completion_length cost up to 1 (<see cref="RewardShaping.SoftOverlong"/>); null: none.</summary>
    [Range(1, 1 << 20)]
    public int? SoftOverlongCache { get; init; }

    /// <summary>Replaces prompts whose completions all score the same; by default they stay.</summary>
    public DynamicSampling? DynamicSampling { get; init; }

    /// <summary>Whether completions that the length limit cut are left out of the loss (arXiv 2503.14476).</summary>
    public bool MaskTruncatedCompletions { get; init; }

    /// <summary>c of the entropy bonus −c·H in the loss (Williams and Peng 1991).</summary>
    [Range(0.0, 100.0)]
    public double EntropyCoef { get; init; }

    /// <summary>c at the last step, reached in a straight line; by default c is constant.</summary>
    [Range(0.0, 100.0)]
    public double? EntropyCoefFinal { get; init; }

    /// <summary>A few completions are written to samples.jsonl every so many steps, and of <see cref="EvalData"/> whenever it is answered; 0: never.</summary>
    [Range(0, int.MaxValue)]
    public int LogCompletionsSteps { get; init; } = 10;

    /// <summary>Alarms of this stage, before those of the recipe.</summary>
    public AlarmSettings? Alarms { get; init; }

    IEnumerable<string> IWatchedStage.LoggedMetrics => OnlineMetrics.Of(this);

    /// <summary>Whether the algorithm has a value network.</summary>
    public virtual string? ValueModel => null;

    /// <inheritdoc/>
    public override IEnumerable<string> Inputs => new[] { Policy, Reference, ValueModel }.OfType<string>().Concat(Reward.Models);

    internal override int EvaluationInterval => EvalData is null ? 0 : EvalSteps;

    /// <summary>Whether held-out prompts are answered after so many steps.</summary>
    /// <param name="steps">Steps done; 0: before the first one.</param>
    /// <param name="isLast">Whether the stage ends with them.</param>
    internal bool IsEvaluatedAfter(int steps, bool isLast) => steps == 0 ? EvalOnStart : isLast || (EvalSteps > 0 && steps % EvalSteps == 0);

    /// <summary>Whether reference log-probabilities are needed.</summary>
    public bool NeedsReference => Beta > 0 || Reference is not null;

    /// <summary>How many neighbouring completions a loss needs in one micro-batch: 1, or a prompt's whole group.</summary>
    public virtual int LossUnit => 1;

    /// <summary>How per-token losses, and the KL in the loss, become one number.</summary>
    public virtual Aggregation Aggregation => Aggregation.TokenMean;

    /// <inheritdoc/>
    public override StageSummary Run(StageContext context) => OnlineLoop.Run(this, context);

    /// <inheritdoc/>
    public virtual IEnumerable<(string Key, string Problem)> Validate()
    {
        if (!NeedsReference && (SyncRefModel || AdaptiveKl is not null))
            yield return (SyncRefModel ? nameof(SyncRefModel) : nameof(AdaptiveKl), "there is no reference policy while beta is 0; give beta a value above 0");
        else if (AdaptiveKl is not null && Beta <= 0)
            yield return (nameof(AdaptiveKl), "beta is where the controller starts; give it a value above 0");
        if (SyncRefModel && Lora is not null)
            yield return (nameof(SyncRefModel), "with lora the reference is the policy's own weights, which nothing changes; take out sync_ref_model or lora");
        if (RewardClipRange is { } range && (range.Count != 2 || range[0] > range[1]))
            yield return (nameof(RewardClipRange), $"[{string.Join(", ", range)}] is no range; write [LOW, HIGH]");
        if (SoftOverlongCache > MaxCompletionLength)
            yield return (nameof(SoftOverlongCache), $"{SoftOverlongCache} is more than max_completion_length, {MaxCompletionLength}");
        if (DynamicSampling is not null && NumGenerations < 2)
            yield return (nameof(DynamicSampling), "one completion per prompt has no variance to look at; raise num_generations to 2 or more");
        if (NumGenerations < 2 && Reward is WeightedReward { Normalize: not RewardNormalization.None, NormalizeOver: NormalizationScope.Group })
            yield return (nameof(Reward), "one completion per prompt is its group's mean, so that normalize would make every score 0; raise num_generations, or set normalize_over: batch or running");
        if (EvalData is null && (EvalSteps > 0 || EvalOnStart || EvalSampling is not null))
            yield return (EvalSteps > 0 ? nameof(EvalSteps) : EvalOnStart ? nameof(EvalOnStart) : nameof(EvalSampling), "there are no held-out prompts to answer; name them under eval_data");
        if (EntropyCoefFinal is not null && EntropyCoef == 0)
            yield return (nameof(EntropyCoefFinal), "the schedule starts from entropy_coef, which is 0; give it a value");
        foreach (var problem in AlarmSettings.Problems(Alarms, [this], AlarmSettings.KeyInStage))
            yield return problem;
    }

    /// <summary>The stage with the coefficients of one step: β as its controller left it, c as its schedule has it.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="state">The stage's numbers.</param>
    public OnlineStage At(int step, IReadOnlyDictionary<string, double> state) => this with
    {
        Beta = state.GetValueOrDefault(BetaKey, Beta),
        EntropyCoef = EntropyCoefFinal is { } final ? EntropyCoef + (final - EntropyCoef) * step / Math.Max(1, Steps - 1) : EntropyCoef,
    };

    /// <summary>Moves β after a step where it is adaptive.</summary>
    /// <param name="rollout">What was sampled, with reference log-probabilities.</param>
    /// <param name="state">The stage's numbers: holds β from then on.</param>
    public void AdaptBeta(Rollout rollout, IDictionary<string, double> state)
    {
        if (AdaptiveKl is not { } adaptive)
            return;
        var controller = new AdaptiveKlController(Beta, adaptive.Target, adaptive.Horizon);
        controller.Update(rollout.Trajectories.Average(trajectory => trajectory.KlToReference()), rollout.Trajectories.Count);
        state[BetaKey] = controller.Beta;
    }

    /// <summary>Scores → per-token advantages (and value targets), written into the trajectories.</summary>
    /// <param name="rollout">The samples, scored.</param>
    /// <param name="state">Numbers that live as long as the stage and are part of its checkpoints.</param>
    /// <param name="metrics">Where the algorithm's own numbers go.</param>
    public abstract void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics);

    /// <summary>Log-probabilities and advantages → the algorithm's own loss.</summary>
    public abstract torch.Tensor PolicyLoss(PolicyBatch batch);

    /// <summary>The scalar that is minimised: the algorithm's loss, + β·KL where the KL is in the loss, − c·H.</summary>
    public torch.Tensor Loss(PolicyBatch batch)
    {
        var loss = PolicyLoss(batch);
        if (KlIn == KlPlacement.Loss && Beta > 0)
        {
            var kl = PerTokenKl(batch.LogProbs, batch.ReferenceLogProbs!);
            loss = loss + Beta * kl.Aggregate(batch.Mask, Aggregation, batch.Share.For(Aggregation), MaxCompletionLength);
            batch.AddMetric("kl", batch.Mask.Mean(kl));
        }

        return EntropyCoef > 0 ? loss - EntropyCoef * batch.Entropies!.Aggregate(batch.Mask, Aggregation.TokenMean, batch.Share.For(Aggregation.TokenMean)) : loss;
    }

    /// <summary>r_t of each token: the rewards of single tokens, the rest of the score at the last one, and −β·k_t where the KL is in the reward.</summary>
    protected double[] TokenRewards(Trajectory trajectory) =>
        TokenAdvantages.Rewards(trajectory, KlIn == KlPlacement.Reward ? Beta : 0, KlEstimator);

    /// <summary>The reward of each whole completion: its score, and −β·Σ_t k_t where the KL is in the reward.</summary>
    protected double[] SequenceRewards(Rollout rollout) => [.. rollout.Trajectories.Select(trajectory => trajectory.Score
        - (KlIn == KlPlacement.Reward && Beta > 0 ? Beta * KlReward.Sum(trajectory.LogProbs, trajectory.ReferenceLogProbs, KlEstimator) : 0))];

    private torch.Tensor PerTokenKl(torch.Tensor logProbs, torch.Tensor reference) => KlEstimator switch
    {
        KlEstimator.K1 => KlLoss.K1(logProbs, reference),
        KlEstimator.K2 => KlLoss.K2(logProbs, reference),
        KlEstimator.K3 => KlLoss.K3(logProbs, reference),
        KlEstimator.Abs => KlLoss.Abs(logProbs, reference),
        _ => throw new InvalidOperationException($"no loss for {KlEstimator}"),
    };
}

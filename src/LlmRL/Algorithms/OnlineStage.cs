using System.ComponentModel.DataAnnotations;
using LlmRL.Advantages;
using LlmRL.Recipes;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Runs;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Algorithms;

/// <summary>
/// A stage that learns from its own samples: sample → score → reference log-probs → advantages → epochs × minibatches. An algorithm is the
/// hyper-parameters and two methods: <see cref="ComputeAdvantages"/> and <see cref="Loss"/>.
/// </summary>
public abstract record OnlineStage : TrainingStage
{
    /// <summary>The model to start from: an earlier stage, a folder, or <c>base</c> for the recipe's model.</summary>
    public required string Policy { get; init; }

    /// <summary>The policy that the KL is measured against; by default where <see cref="Policy"/> starts from, usually the SFT policy.</summary>
    public string? Reference { get; init; }

    /// <summary>The prompts.</summary>
    public required DataSource Data { get; init; }

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

    /// <summary>Whether completions that the length limit cut are left out of the loss (arXiv 2503.14476).</summary>
    public bool MaskTruncatedCompletions { get; init; }

    /// <summary>c of the entropy bonus −c·H in the loss (Williams and Peng 1991).</summary>
    [Range(0.0, 100.0)]
    public double EntropyCoef { get; init; }

    /// <summary>A few completions are written to samples.jsonl every so many steps; 0: never.</summary>
    [Range(0, int.MaxValue)]
    public int LogCompletionsSteps { get; init; } = 10;

    /// <summary>Whether the algorithm has a value network.</summary>
    public virtual string? ValueModel => null;

    /// <inheritdoc/>
    public override IEnumerable<string> Inputs => new[] { Policy, Reference, ValueModel }.OfType<string>().Concat(Reward.Models);

    /// <summary>Whether reference log-probabilities are needed.</summary>
    public bool NeedsReference => Beta > 0 || Reference is not null;

    /// <inheritdoc/>
    public override StageSummary Run(StageContext context) => OnlineLoop.Run(this, context);

    /// <summary>Scores → per-token advantages (and value targets), written into the trajectories.</summary>
    /// <param name="rollout">The samples, scored.</param>
    /// <param name="state">Numbers that live as long as the stage and are part of its checkpoints.</param>
    /// <param name="metrics">Where the algorithm's own numbers go.</param>
    public abstract void ComputeAdvantages(Rollout rollout, IDictionary<string, double> state, BatchMetrics metrics);

    /// <summary>Log-probabilities and advantages → the scalar that is minimised, without the entropy bonus.</summary>
    public abstract torch.Tensor Loss(PolicyBatch batch);
}

using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Losses;
using LlmRL.Models;
using LlmRL.Recipes.Binding;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Algorithms;

/// <summary>What is made of a pair's difference of log-ratios, by TRL's names.</summary>
public enum DpoLossType
{
    /// <summary>−log σ(βh) (arXiv 2305.18290); takes label smoothing.</summary>
    Sigmoid,

    /// <summary>The same with log-ratios per token: each is divided by its completion's length (arXiv 2411.15124); takes label smoothing.</summary>
    SigmoidNorm,

    /// <summary>
    /// (h − 1/(2β))² (arXiv 2310.12036) with log-ratios per token as in TRL. The paper's h sums over whole completions, so that its margin of 1/(2β) nats
    /// asks more of each token of a short one.
    /// </summary>
    Ipo,

    /// <summary>max(0, 1 − βh) (arXiv 2305.10425, 2309.06657).</summary>
    Hinge,

    /// <summary>DPO's loss without the bias of flipped labels (arXiv 2403.00409); label smoothing says how many are.</summary>
    Robust,
}

/// <summary>
/// Direct preference optimisation: the policy learns from preference pairs without reward model and without sampling. With
/// h = log(π(y_w)/π_ref(y_w)) − log(π(y_l)/π_ref(y_l)) of a pair, the loss is −log σ(βh) (<see cref="DirectPreference.Sigmoid"/>) or one of its kin.
/// Rafailov et al. 2023, arXiv 2305.18290, eq. 7.
/// </summary>
[Variant("dpo", Title = "Direct preference optimisation",
    About = "The model learns from preference pairs directly, without sampling or a reward model.")]
public sealed record Dpo : OfflineStage, IValidated
{
    /// <summary>π_ref: an earlier stage, a folder, or <c>base</c>; by default where <see cref="OfflineStage.Policy"/> starts from.</summary>
    public string? Reference { get; init; }

    /// <summary>β: the price of leaving the reference.</summary>
    [Range(0.0, 1e6, MinimumIsExclusive = true)]
    public double Beta { get; init; } = 0.1;

    /// <summary>What is made of a pair's difference of log-ratios.</summary>
    public DpoLossType LossType { get; init; } = DpoLossType.Sigmoid;

    /// <summary>ε: share of the pairs whose labels are taken to be the wrong way round; <c>sigmoid</c>, <c>sigmoid_norm</c> and <c>robust</c> only.</summary>
    [Range(0.0, 0.5, MaximumIsExclusive = true)]
    public double LabelSmoothing { get; init; }

    /// <summary>
    /// α of the term −α·log π(y_w)/|y_w| that keeps the chosen completions likely (Pang et al. 2024, arXiv 2404.19733, eq. 1); 0: none. As in the paper every
    /// completion weighs the same; TRL, while it had the option, weighed every token the same.
    /// </summary>
    [Range(0.0, 1e6)]
    public double RpoAlpha { get; init; }

    /// <inheritdoc/>
    public override string ReferenceModel => Reference ?? Policy;

    /// <inheritdoc/>
    public override IEnumerable<string> Inputs => new[] { Policy, Reference }.OfType<string>();

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (LabelSmoothing > 0 && LossType is DpoLossType.Ipo or DpoLossType.Hinge)
            yield return (nameof(LabelSmoothing), $"label_smoothing is {LabelSmoothing}, which loss_type: {(LossType == DpoLossType.Ipo ? "ipo" : "hinge")} does not define; leave it out, or use sigmoid or robust");
    }

    /// <inheritdoc/>
    public override Transformer LoadModel(StageContext context) => context.LoadTrained(Policy, Lora);

    /// <inheritdoc/>
    public override EncodedExample Encode(Example example, StageContext context) => EncodePreference(example, context);

    /// <inheritdoc/>
    public override void Accumulate(Transformer model, IReadOnlyList<EncodedExample> micro, BatchShare share, BatchMetrics metrics, bool train)
    {
        using var completions = new CompletionBatch(micro, model.Device);
        completions.Forward(model, train, entropy: true);
        var logProbs = completions.SequenceLogProbs();
        var reference = tensor(micro.Select(example => example.ReferenceLogProbs[0]).Concat(micro.Select(example => example.ReferenceLogProbs[1])).ToArray()).to(model.Device);
        var lengths = completions.Mask.Lengths();
        var losses = PairLosses(logProbs - reference, lengths);
        if (RpoAlpha > 0)
        {
            var negativeLogLikelihood = -Chosen(logProbs) / Chosen(lengths);
            losses = losses + RpoAlpha * negativeLogLikelihood;
            metrics.Add("nll_loss", negativeLogLikelihood.detach().mean().item<float>(), micro.Count);
        }

        if (train)
        {
            (losses.sum() / share.Sequences).backward();
            completions.Backward();
        }

        metrics.Add("loss", losses.detach().mean().item<float>(), micro.Count);
        metrics.Add("entropy", completions.Entropies!.detach().mean().item<float>(), completions.Count);
        AddRewards(logProbs.detach(), reference, metrics);
    }

    /// <summary>Losses of B pairs, (B).</summary>
    /// <param name="logRatios">log π(y|x) − log π_ref(y|x) in nats, (2B): of the chosen, then of the rejected completions, with gradient.</param>
    /// <param name="lengths">Tokens of the completions, (2B).</param>
    internal Tensor PairLosses(Tensor logRatios, Tensor lengths)
    {
        if (LossType is DpoLossType.Ipo or DpoLossType.SigmoidNorm)
            logRatios = logRatios / lengths;
        var difference = Chosen(logRatios) - Rejected(logRatios);
        return LossType switch
        {
            DpoLossType.Sigmoid or DpoLossType.SigmoidNorm => DirectPreference.Sigmoid(difference, Beta, LabelSmoothing),
            DpoLossType.Ipo => DirectPreference.Ipo(difference, Beta),
            DpoLossType.Hinge => DirectPreference.Hinge(difference, Beta),
            DpoLossType.Robust => DirectPreference.Robust(difference, Beta, LabelSmoothing),
            _ => throw new InvalidOperationException($"no loss for {LossType}"),
        };
    }

    /// <summary>Implicit rewards and log-probabilities of whole completions, whatever the loss makes of them.</summary>
    internal void AddRewards(Tensor logProbs, Tensor referenceLogProbs, BatchMetrics metrics)
    {
        var rewards = DirectPreference.ImplicitReward(logProbs, referenceLogProbs, Beta);
        foreach (var (name, values) in new[]
        {
            ("rewards/chosen", Chosen(rewards)),
            ("rewards/rejected", Rejected(rewards)),
            ("rewards/accuracies", Chosen(rewards).gt(Rejected(rewards)).to_type(ScalarType.Float32)),
            ("rewards/margins", Chosen(rewards) - Rejected(rewards)),
            ("logps/chosen", Chosen(logProbs)),
            ("logps/rejected", Rejected(logProbs)),
        })
            metrics.Add(name, values.mean().item<float>(), values.size(0));
    }

    private static Tensor Chosen(Tensor halves) => halves.narrow(0, 0, halves.size(0) / 2);

    private static Tensor Rejected(Tensor halves) => halves.narrow(0, halves.size(0) / 2, halves.size(0) / 2);
}

using System.ComponentModel.DataAnnotations;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Control;

/// <summary>
/// Proximal policy optimisation: the advantages of <see cref="ControlActorCritic"/>, the clipped surrogate <see cref="PolicyGradient.PpoClip"/> and several epochs
/// of minibatches over each rollout. Schulman et al. 2017, arXiv 1707.06347.
/// </summary>
[Variant("ppo")]
public sealed record ControlPpo : ControlActorCritic
{
    /// <summary>Steps of each environment per sampling phase.</summary>
    [Range(1, 1 << 20)]
    public override int NumSteps { get; init; } = 128;

    /// <inheritdoc/>
    public override bool WhitenAdvantages { get; init; } = true;

    /// <summary>Epochs over each rollout.</summary>
    [Range(1, 1000)]
    public int NumIterations { get; init; } = 4;

    /// <summary>Minibatches per epoch, an optimizer step each.</summary>
    [Range(1, 1 << 16)]
    public int NumMiniBatches { get; init; } = 4;

    /// <summary>ε: the ratio's clip range.</summary>
    [Range(0.0, 100.0)]
    public double Cliprange { get; init; } = 0.2;

    /// <summary>ε of the value loss, in units of return; null: no clipping.</summary>
    [Range(0.0, 1e6)]
    public double? CliprangeValue { get; init; }

    /// <summary>The epochs over a rollout end once KL(π_old‖π) per step exceeds this, in nats; null: never.</summary>
    [Range(0.0, 1e6)]
    public double? TargetKl { get; init; }

    /// <inheritdoc/>
    public override int Epochs => NumIterations;

    /// <inheritdoc/>
    public override int MiniBatches => NumMiniBatches;

    /// <inheritdoc/>
    public override double? KlLimit => TargetKl;

    /// <inheritdoc/>
    public override Tensor PolicyLosses(ControlBatch batch) => PolicyGradient.PpoClip(batch.LogProbs, batch.OldLogProbs, batch.Advantages, Cliprange, Cliprange);

    /// <inheritdoc/>
    public override Tensor ValueLosses(ControlBatch batch) => CliprangeValue is { } clip
        ? ValueLoss.Clipped(batch.Values!, batch.OldValues!, batch.Returns!, clip)
        : base.ValueLosses(batch);

    /// <inheritdoc/>
    public override void AddMetrics(ControlBatch batch, BatchMetrics metrics)
    {
        var ratio = (batch.LogProbs - batch.OldLogProbs).exp();
        var clipped = (ratio - 1).abs().gt(Cliprange).to_type(ScalarType.Float32);
        metrics.Add("policy/clipfrac_avg", batch.Mask.Mean(clipped).item<float>(), batch.Mask.Sequences);
    }
}

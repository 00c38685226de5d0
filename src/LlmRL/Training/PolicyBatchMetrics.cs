using LlmRL.Losses;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>What losses log of a micro-batch, under TRL's names.</summary>
internal static class PolicyBatchMetrics
{
    /// <summary>Logs a mean over the micro-batch's tokens.</summary>
    public static void AddMetric(this PolicyBatch batch, string name, Tensor mean) =>
        batch.Metrics.Add(name, mean.detach().item<float>(), batch.Mask.Count().item<float>());

    /// <summary>Logs this micro-batch's part of an aggregated loss, so that the mean over the log is that over minibatches.</summary>
    public static void AddMetric(this PolicyBatch batch, string name, Tensor part, Aggregation how)
    {
        var share = (how == Aggregation.TokenMean ? batch.Mask.Count().item<float>() : batch.Mask.Sequences) / batch.Share.For(how);
        batch.Metrics.Add(name, share == 0 ? 0 : part.detach().item<float>() / share, share);
    }

    /// <summary>Fractions of tokens (or sequences) whose ratio the clip holds back, below and above 1.</summary>
    /// <param name="batch">The micro-batch.</param>
    /// <param name="logRatio">log π − log π_old, (B, T), or (B) where sequences have one ratio each.</param>
    /// <param name="advantages">A, of the same form or broadcastable.</param>
    /// <param name="low">ε below 1.</param>
    /// <param name="high">ε above 1.</param>
    public static void AddClipMetrics(this PolicyBatch batch, Tensor logRatio, Tensor advantages, double low, double high)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var ratio = logRatio.detach().exp();
        var belowOne = ratio.lt(1 - low).logical_and(advantages.lt(0)).to_type(ScalarType.Float32);
        var aboveOne = ratio.gt(1 + high).logical_and(advantages.gt(0)).to_type(ScalarType.Float32);
        var perToken = belowOne.dim() == 2;
        var weight = perToken ? batch.Mask.Count().item<float>() : batch.Mask.Sequences;
        double Fraction(Tensor clipped) => (perToken ? batch.Mask.Mean(clipped) : clipped.mean()).item<float>();
        var (below, above) = (Fraction(belowOne), Fraction(aboveOne));
        batch.Metrics.Add("clip_ratio/low_mean", below, weight);
        batch.Metrics.Add("clip_ratio/high_mean", above, weight);
        batch.Metrics.Add("clip_ratio/region_mean", below + above, weight);
    }

    /// <summary>KL(π_old‖π) per token, as the mean of ρ − 1 − log ρ over samples of π_old: how far the epochs over one rollout have moved the policy.</summary>
    public static void AddApproximateKl(this PolicyBatch batch)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        batch.AddMetric("approx_kl", batch.Mask.Mean(KlLoss.K3(batch.OldLogProbs, batch.LogProbs.detach())));
    }

    /// <summary>
    /// PPO's own: approximate KL to the sampling policy ½(log ρ)², clip fractions of policy and value, mean ratio. Means over the tokens that count; TRL's
    /// <c>approxkl</c>, entropy and ratio run over the padding, too, and so depend on how long the other completions are.
    /// </summary>
    public static void AddPpoMetrics(this PolicyBatch batch, double low, double high, double valueClip)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var logRatio = (batch.LogProbs - batch.OldLogProbs).detach();
        var ratio = logRatio.exp();
        AddMetric(batch, "policy/approxkl_avg", batch.Mask.Mean(0.5 * logRatio.square()));
        var losses = maximum(-batch.Advantages * ratio, -batch.Advantages * ratio.clamp(1 - low, 1 + high));
        AddMetric(batch, "policy/clipfrac_avg", batch.Mask.Mean(losses.gt(-batch.Advantages * ratio).to_type(ScalarType.Float32)));
        AddMetric(batch, "policy/entropy_avg", batch.Mask.Mean(batch.Entropies!.detach()));
        AddMetric(batch, "val/ratio", batch.Mask.Mean(ratio));
        var clipped = batch.OldValues! + (batch.Values!.detach() - batch.OldValues!).clamp(-valueClip, valueClip);
        var held = (clipped - batch.Returns!).square().gt((batch.Values!.detach() - batch.Returns!).square()).to_type(ScalarType.Float32);
        AddMetric(batch, "val/clipfrac_avg", batch.Mask.Mean(held));
    }
}

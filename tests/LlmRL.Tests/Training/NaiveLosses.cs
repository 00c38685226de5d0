using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rollouts;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>
/// The losses a second time, sequence by sequence from the whole logits with plain autograd: no kernels, no packing, no padding, no mask, no chunks.
/// Each reads like the formula in its paper.
/// </summary>
internal static class NaiveLosses
{
    /// <summary>Loss of a whole minibatch with the entropy bonus, a scalar with gradient.</summary>
    public static Tensor Minibatch(OnlineStage stage, Transformer policy, Transformer? value, IReadOnlyList<Trajectory> minibatch)
    {
        double tokens = minibatch.Sum(trajectory => trajectory.Length);
        var total = zeros(1);
        foreach (var trajectory in minibatch)
        {
            var (logProbs, entropies) = Forward(policy, trajectory, stage.Temperature);
            total = total + Policy(stage, trajectory, logProbs, minibatch.Count, tokens) - stage.EntropyCoef * entropies.sum() / tokens;
            if (value is not null)
                total = total + Value(stage, value, trajectory) / tokens;
        }

        return total.sum();
    }

    /// <summary>DPO's loss and its kin, pair by pair, a scalar with gradient.</summary>
    public static Tensor Preference(Dpo stage, Transformer policy, Transformer reference, IReadOnlyList<EncodedExample> pairs)
    {
        var total = zeros(1);
        foreach (var pair in pairs)
        {
            var (chosen, rejected) = (Ratio(pair, 0), Ratio(pair, 1));
            var h = chosen.LogRatio - rejected.LogRatio;
            var odds = stage.Beta * h;
            // −log σ of the odds for the label as given and for the flipped one.
            var (right, wrong) = ((1.0 + (-odds).exp()).log(), (1.0 + odds.exp()).log());
            var e = stage.LabelSmoothing;
            total = total - stage.RpoAlpha * chosen.LogProb / chosen.Length + stage.LossType switch
            {
                DpoLossType.Sigmoid => (1 - e) * right + e * wrong,
                DpoLossType.Robust => ((1 - e) * right - e * wrong) / (1 - 2 * e),
                DpoLossType.Ipo => (chosen.LogRatio / chosen.Length - rejected.LogRatio / rejected.Length - 0.5 / stage.Beta).square(),
                _ => throw new ArgumentException(stage.LossType.ToString()),
            };
        }

        return total.sum() / pairs.Count;

        (Tensor LogProb, Tensor LogRatio, int Length) Ratio(EncodedExample pair, int part)
        {
            var (prompt, completion) = (pair.Sequences[part][..pair.PromptLength], pair.Sequences[part][pair.PromptLength..]);
            using var batch = new TokenBatch([pair.Sequences[part]]);
            var logits = policy.Logits(Hidden(policy, batch));
            var logProb = zeros(1);
            for (var t = 0; t < completion.Length; t++)
                logProb = logProb + logits[prompt.Length - 1 + t, completion[t]] - logits[prompt.Length - 1 + t].logsumexp(0);
            return (logProb, logProb - Tiny.LogProbs(reference, prompt, completion, 1).Sum(), completion.Length);
        }
    }

    private static (Tensor LogProbs, Tensor Entropies) Forward(Transformer policy, Trajectory trajectory, double temperature)
    {
        using var batch = new TokenBatch([trajectory.AllTokens()]);
        var logits = policy.Logits(Hidden(policy, batch)).narrow(0, trajectory.Prompt.Length - 1, trajectory.Length) / temperature;
        var all = logits - logits.logsumexp(-1, true);
        var chosen = tensor(trajectory.Completion.Tokens.Select(id => (long)id).ToArray()).unsqueeze(1);
        return (all.gather(1, chosen).squeeze(1), -(all.exp() * all).sum(-1L));
    }

    /// <summary>One trajectory's part of the minibatch's loss, the KL included where it is in the loss.</summary>
    private static Tensor Policy(OnlineStage stage, Trajectory trajectory, Tensor logProbs, int sequences, double tokens)
    {
        var advantages = tensor(trajectory.Advantages);
        // One action per completion: its ratio is that of the whole sequence, its advantage the first token's.
        if (stage is Rloo rloo)
            return Clipped((logProbs.sum() - tensor(trajectory.LogProbs).sum()).exp(), advantages[0], rloo.Epsilon, rloo.EpsilonHigh ?? rloo.Epsilon) / sequences;
        var losses = PerToken(stage, trajectory, logProbs, advantages);
        if (stage.KlIn == KlPlacement.Loss && stage.Beta > 0)
            losses = losses + stage.Beta * Kl(stage.KlEstimator, logProbs - tensor(trajectory.ReferenceLogProbs));
        return stage switch
        {
            Reinforce => losses.sum() / sequences,
            Grpo { LossType: GrpoLossType.Grpo } => losses.mean() / sequences,
            Grpo { LossType: GrpoLossType.DrGrpo } grpo => losses.sum() / (sequences * grpo.MaxCompletionLength),
            _ => losses.sum() / tokens,
        };
    }

    private static Tensor PerToken(OnlineStage stage, Trajectory trajectory, Tensor logProbs, Tensor advantages)
    {
        var logRatio = logProbs - tensor(trajectory.LogProbs);
        switch (stage)
        {
            case Reinforce reinforce:
                var weights = reinforce.ImportanceSampling switch
                {
                    ImportanceSampling.Token => logRatio.detach().exp(),
                    ImportanceSampling.Trajectory => logRatio.detach().sum().exp(),
                    _ => ones(1),
                };
                return -weights.clamp_max(reinforce.ImportanceCap ?? double.PositiveInfinity) * advantages * logProbs;
            case RejectionSampling:
                return -logProbs;
            case Ppo ppo:
                return Clipped(logRatio.exp(), advantages, ppo.Cliprange, ppo.Cliprange, ppo.DualClip);
            case Grpo { LossType: GrpoLossType.Cispo } grpo:
                return -logRatio.detach().exp().clamp_max(grpo.EpsilonHigh!.Value) * advantages * logProbs;
            case Grpo grpo:
                if (grpo.ImportanceSamplingLevel == ImportanceSamplingLevel.Sequence)
                    logRatio = logRatio.mean().expand(logRatio.shape);
                return Clipped(logRatio.exp(), advantages, grpo.Epsilon, grpo.EpsilonHigh ?? grpo.Epsilon, grpo.Delta);
            default:
                throw new ArgumentException(stage.GetType().Name);
        }
    }

    private static Tensor Kl(KlEstimator estimator, Tensor difference) => estimator switch
    {
        KlEstimator.K1 => difference,
        KlEstimator.K2 => 0.5 * difference * difference,
        KlEstimator.K3 => (-difference).exp() + difference - 1.0,
        _ => difference.abs(),
    };

    /// <summary>−min(ρA, clip(ρ)A); with a second bound, of a bad action at most that times A.</summary>
    private static Tensor Clipped(Tensor ratio, Tensor advantages, double low, double high, double? bound = null)
    {
        var gain = minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages);
        return bound is { } c ? -where(advantages.lt(0), maximum(gain, c * advantages), gain) : -gain;
    }

    private static Tensor Value(OnlineStage stage, Transformer value, Trajectory trajectory)
    {
        using var batch = new TokenBatch([trajectory.AllTokens()]);
        var values = value.Scores(Hidden(value, batch)).narrow(0, trajectory.Prompt.Length - 1, trajectory.Length);
        var (old, returns) = (tensor(trajectory.Values), tensor(trajectory.Returns));
        if (stage is not Ppo ppo)
            return ((Reinforce)stage).VfCoef * 0.5 * (values - returns).square().sum();
        var clipped = old + (values - old).clamp(-ppo.CliprangeValue, ppo.CliprangeValue);
        return ppo.VfCoef * 0.5 * maximum((values - returns).square(), (clipped - returns).square()).sum();
    }

    /// <summary>The transformer in tensor operations that autograd follows one by one.</summary>
    public static Tensor Hidden(Transformer model, TokenBatch batch)
    {
        model.UsesKernels = false;
        var hidden = model.Hidden(batch);
        model.UsesKernels = true;
        return hidden;
    }
}

using LlmRL.Losses;
using LlmRL.Tests.Training;
using TorchSharp;
using static LlmRL.Tests.Theory.Estimator;

namespace LlmRL.Tests.Theory;

/// <summary>Second order: the Fisher matrix, and the entropy.</summary>
[Collection(TensorCollection.Name)]
public class FisherTests
{
    public FisherTests() => Native.Startup.Prepare();

    public static TheoryData<string> Processes => [.. FiniteProcess.All.Keys];

    /// <summary>E[s sᵀ], s = ∇log P, is the Hessian of KL(P_θ‖P_θ') in θ' at θ' = θ, and that of the expected k2 and k3, too: near each other all three measure alike.</summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void TheFisherMatrixIsTheHessianOfTheKl(string name)
    {
        var process = FiniteProcess.All[name];
        var fisher = new double[process.Policy.Length * process.Policy.Length];
        foreach (var episode in process.Episodes)
        {
            var score = process.Score(episode);
            var p = process.Probability(episode, process.Policy);
            for (var i = 0; i < fisher.Length; i++)
                fisher[i] += p * score[i / score.Length] * score[i % score.Length];
        }

        AssertEqual(fisher, Hessian(process, (p, q) => (p * (p / q).log()).sum()));
        foreach (var estimator in new Func<torch.Tensor, torch.Tensor, torch.Tensor>[] { KlLoss.K1, KlLoss.K2, KlLoss.K3 })
            AssertEqual(fisher, Hessian(process, (p, q) => (p * estimator(p.log(), q.log())).sum()));
    }

    /// <summary>
    /// The entropy of an episode is E Σ_t −log π(a_t|s_t), what chance adds aside. With −log π in the reward REINFORCE climbs it exactly; as a bonus per
    /// token, H(π(·|s_t)), its gradient lacks what the states to come add.
    /// </summary>
    [Theory]
    [MemberData(nameof(Processes))]
    public void TheEntropyBonusMissesTheEntropyOfTheStatesToCome(string name)
    {
        var process = FiniteProcess.All[name];
        var table = process.Probabilities(process.Policy);
        double Surprise(Episode episode, int from) => -Enumerable.Range(from, episode.Length - from).Sum(t => Math.Log(table[episode.States[t], episode.Actions[t]]));
        torch.Tensor Entropies(torch.Tensor policy)
        {
            var p = policy.view(process.States, process.Actions).softmax(-1);
            return -(p * p.log()).sum(-1L);
        }

        // The chain rule of entropy: that of episodes is the sum over the visited states'.
        var visits = torch.tensor(Enumerable.Range(0, process.States).Select(s => process.Expect(episode => episode.States.Count(state => state == s))).ToArray());
        Assert.Equal(process.Expect(episode => Surprise(episode, 0)), (visits * Entropies(torch.tensor(process.Policy))).sum().item<double>(), 1e-12);
        var exact = process.GradientOf(policy =>
        {
            var p = process.Probabilities(policy);
            var chance = torch.tensor(process.Episodes.Select(episode => episode.Chance).ToArray());
            return -(p * (p / chance).log()).sum();
        });
        Of(process, 1, batch => PolicyGradient.Reinforce(batch.LogProbs, batch.PerToken(episode => [.. Enumerable.Range(0, episode.Length).Select(t => Surprise(episode, t))]))
            .Aggregate(batch.Mask, Aggregation.SequenceSum)).AssertMean(exact);
        var bonus = process.GradientOf(policy => (visits * Entropies(policy)).sum());
        AssertEqual(process.Differentiate((episode, t) => Surprise(episode, t + 1)), Minus(exact, bonus));
    }

    /// <summary>∂²f(P_θ, P_θ')/∂θ'² at θ' = θ, row by row by a second pass of autograd.</summary>
    private static double[] Hessian(FiniteProcess process, Func<torch.Tensor, torch.Tensor, torch.Tensor> f)
    {
        using var scope = torch.NewDisposeScope();
        var policy = torch.tensor(process.Policy).requires_grad_();
        var gradient = torch.autograd.grad([f(process.Probabilities(policy.detach()), process.Probabilities(policy))], [policy], create_graph: true)[0];
        return [.. Enumerable.Range(0, process.Policy.Length).SelectMany(i => torch.autograd.grad([gradient[i]], [policy], retain_graph: true)[0].data<double>().ToArray())];
    }
}

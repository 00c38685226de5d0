using LlmRL.Losses;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Losses;

/// <summary>The closed form over a group against the sum over pairs that the paper writes.</summary>
[Collection(TensorCollection.Name)]
public class RebelLossTests
{
    private const double Eta = 0.7;

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void It_is_the_mean_over_all_pairs(int group)
    {
        _ = Tiny.Llama;
        using var scope = NewDisposeScope();
        var random = new RandomStream(CounterRandom.Key(11, (ulong)group));
        var (ratios, rewards) = (Numbers(random, 3 * group), Numbers(random, 3 * group));
        var losses = RebelLoss.PerPrompt(tensor(ratios, [3, group]), tensor(rewards, [3, group]), Eta).data<double>().ToArray();
        for (var prompt = 0; prompt < 3; prompt++)
        {
            var (sum, pairs) = (0.0, 0);
            for (var i = prompt * group; i < (prompt + 1) * group; i++)
            {
                for (var j = i + 1; j < (prompt + 1) * group; j++, pairs++)
                    sum += Math.Pow((ratios[i] - ratios[j]) / Eta - (rewards[i] - rewards[j]), 2);
            }

            Assert.Equal(sum / pairs, losses[prompt], 12);
        }
    }

    [Fact]
    public void The_tilted_policy_is_its_optimum()
    {
        _ = Tiny.Llama;
        using var scope = NewDisposeScope();
        double[] rewards = [0.3, -1.2, 2, 0.5];
        // log π/π_t = η·r − log Z: whatever the constant, the loss is 0.
        var ratios = tensor(Array.ConvertAll(rewards, reward => Eta * reward - 0.37), [1, 4]).requires_grad_();
        var loss = RebelLoss.PerPrompt(ratios, tensor(rewards, [1, 4]), Eta).sum();
        loss.backward();
        Assert.Equal(0, loss.item<double>(), 12);
        Assert.All(ratios.grad!.data<double>().ToArray(), slope => Assert.Equal(0, slope, 12));
    }

    private static double[] Numbers(RandomStream random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextNormal())];
}

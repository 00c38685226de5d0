using LlmRL.Models;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

[Collection(TensorCollection.Name)]
public class TokenScoresTests
{
    /// <summary>Rows per chunk: 1, 4 (the last chunk is shorter), all but one, all.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 0.7)]
    [InlineData(22, 1)]
    [InlineData(23, 2)]
    public void ChunksChangeNothing(int rowsPerChunk, double temperature)
    {
        const int rows = 23;
        using var scope = NewDisposeScope();
        using var model = Tiny.Model();
        var random = new RandomStream(CounterRandom.Key(21));
        float[] Normal(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)random.NextNormal())];
        var hidden = tensor(Normal(rows * model.Config.HiddenSize)).view(rows, -1);
        var targets = tensor(Enumerable.Range(0, rows).Select(i => (long)(i * 5 % model.Config.VocabSize)).ToArray());
        var (weights, entropyWeights) = (tensor(Normal(rows)), tensor(Normal(rows)));

        // Without chunks, by autograd.
        var leaf = hidden.clone().requires_grad_();
        var all = (model.Logits(leaf) / temperature).log_softmax(-1);
        var logProbs = all.gather(1, targets.unsqueeze(1)).squeeze(1);
        var entropies = -(all.exp() * all).sum(-1L);
        var expectedHead = Tiny.Gradient(model, () => ((logProbs * weights).sum() + (entropies * entropyWeights).sum()).backward());

        using var scores = TokenScores.Compute(model, hidden, targets, temperature, entropy: true, trainable: true, accuracy: true, rowsPerChunk * model.Config.VocabSize);
        Tiny.AssertClose(Floats(logProbs), Floats(scores.LogProbs), 1e-6);
        Tiny.AssertClose(Floats(entropies), Floats(scores.Entropies!), 1e-6);
        Assert.Equal(all.argmax(1).eq(targets).to_type(ScalarType.Float32).mean().item<float>(), scores.Accuracy, 1e-6);
        var gradient = Array.Empty<float>();
        var head = Tiny.Gradient(model, () =>
        {
            ((scores.LogProbs * weights).sum() + (scores.Entropies! * entropyWeights).sum()).backward();
            gradient = Floats(scores.Backward());
        });
        Tiny.AssertClose(Floats(leaf.grad!), gradient, 2e-6);
        Tiny.AssertClose(expectedHead, head, 2e-6);
    }

    private static float[] Floats(Tensor values) => values.detach().contiguous().data<float>().ToArray();
}

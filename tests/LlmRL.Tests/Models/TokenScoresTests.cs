using LlmRL.Models;
using LlmRL.Models.Kernels;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Models;

[Collection(TensorCollection.Name)]
public class TokenScoresTests
{
    /// <summary>Rows per chunk: 1, 4 (the last chunk is shorter), all but one, all. A width of 16 goes by blocks of the vocabulary where not all rows fit, 12 by chunks of rows.</summary>
    [Theory]
    [InlineData(16, 1, 1)]
    [InlineData(16, 22, 1)]
    [InlineData(16, 23, 2)]
    [InlineData(12, 1, 1)]
    [InlineData(12, 4, 0.7)]
    [InlineData(12, 22, 1)]
    public void ChunksChangeNothing(int width, int rowsPerChunk, double temperature)
    {
        const int rows = 23;
        using var scope = NewDisposeScope();
        using var model = Tiny.Model(Tiny.Llama with { HiddenSize = width });
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

    /// <summary>
    /// A vocabulary of several blocks a segment, the last block and its last panel full or not, or a single token, over two tiles of rows: as if the logits fitted into one chunk. With and without a bias,
    /// with one kind of gradient alone, and with a frozen head.
    /// </summary>
    [Theory]
    [InlineData(68, true, true, true)]
    [InlineData(68, false, true, false)]
    [InlineData(68, true, false, true)]
    [InlineData(1, true, true, true)]
    [InlineData(128, false, true, true)]
    public void BlocksOfTheVocabularyChangeNothing(int lastBlock, bool bias, bool entropy, bool trainsHead)
    {
        const int rows = 150;
        var vocabulary = 20 * VocabularyBlocks.BlockTokens + lastBlock;
        using var scope = NewDisposeScope();
        using var model = new Transformer(Tiny.Llama with { VocabSize = vocabulary, HeadBias = bias }, trainable: trainsHead);
        model.Parameters.Initialize(model.Config, 5);
        var random = new RandomStream(CounterRandom.Key(22));
        float[] Normal(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)random.NextNormal())];
        if (bias)
            using (no_grad())
                model.Parameters[Transformer.HeadBiasName].copy_(tensor(Normal(vocabulary)));
        var hidden = tensor(Normal(rows * model.Config.HiddenSize)).view(rows, -1);
        // Every block has targets, and some rows have the most probable token: of the first panel, of the last.
        var best = model.Logits(hidden).argmax(1).data<long>().ToArray();
        var targets = tensor(Enumerable.Range(0, rows).Select(i => i % 3 == 0 ? best[i] : (long)i * 37 % vocabulary).ToArray());
        var (weights, entropyWeights) = (tensor(Normal(rows)), tensor(Normal(rows)));
        (float[] LogProbs, float[] Entropies, double Accuracy, float[] Hidden, float[] Head) Run(long chunkElements)
        {
            using var scores = TokenScores.Compute(model, hidden, targets, 0.8, entropy, trainable: true, accuracy: true, chunkElements);
            var hiddenGradient = Array.Empty<float>();
            void Backward()
            {
                var loss = (scores.LogProbs * weights).sum();
                if (scores.Entropies is not null)
                    loss = loss + (scores.Entropies * entropyWeights).sum();
                loss.backward();
                hiddenGradient = Floats(scores.Backward());
            }

            float[] head = [];
            if (trainsHead)
                head = Tiny.Gradient(model, Backward);
            else
                Backward();
            return (Floats(scores.LogProbs), scores.Entropies is null ? [] : Floats(scores.Entropies), scores.Accuracy, hiddenGradient, head);
        }

        var (whole, blocks) = (Run(long.MaxValue), Run(1));
        Tiny.AssertClose(whole.LogProbs, blocks.LogProbs, 2e-6);
        if (entropy)
            Tiny.AssertClose(whole.Entropies, blocks.Entropies, 2e-6);
        Assert.Equal(whole.Accuracy, blocks.Accuracy);
        Assert.InRange(whole.Accuracy, 0.3, 0.4);
        Tiny.AssertClose(whole.Hidden, blocks.Hidden, 1e-5);
        if (trainsHead)
            Tiny.AssertClose(whole.Head, blocks.Head, 1e-5);
        Assert.True(blocks.Hidden.Any(value => value != 0) && (!trainsHead || blocks.Head.Any(value => value != 0)));
    }

    /// <summary>Every token is in one segment, whatever their number; wide models have fewer, for their sums take room.</summary>
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(129, 1, 2)]
    [InlineData(2628, 1, 16)]
    [InlineData(150_000, 1536 * 256, 16)]
    [InlineData(151_936, 1536 * 896, 12)]
    [InlineData(32_000, 1536 * 4096, 8)]
    public void SegmentsCoverTheVocabulary(int vocabulary, long floats, int segments)
    {
        var blocks = new VocabularyBlocks(vocabulary, floats);
        Assert.Equal(segments, blocks.Segments);
        Assert.Equal((0, vocabulary), (blocks.Start(0), blocks.Start(segments)));
        Assert.All(Enumerable.Range(0, segments), segment => Assert.InRange(blocks.Start(segment + 1) - blocks.Start(segment), 1, vocabulary / segments + VocabularyBlocks.BlockTokens));
    }

    private static float[] Floats(Tensor values) => values.detach().contiguous().data<float>().ToArray();
}

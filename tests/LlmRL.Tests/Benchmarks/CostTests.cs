using LlmRL.Benchmarks;
using LlmRL.Models;

namespace LlmRL.Tests.Benchmarks;

/// <summary>FLOPs by formula against counting every multiplication of a naive transformer, and against numbers worked out by hand.</summary>
public sealed class CostTests
{
    private static readonly ModelConfig Config = new()
    {
        ModelType = "llama",
        VocabSize = 5,
        HiddenSize = 4,
        NumLayers = 2,
        NumHeads = 2,
        NumKeyValueHeads = 1,
        HeadDim = 2,
        IntermediateSize = 3,
        MaxPositions = 40,
    };

    private static readonly BenchShape Shape = new(Batch: 1, Group: 2, PromptLength: 2, CompletionLength: 3);

    [Fact]
    public void Blocks_by_hand()
    {
        // A layer: q, k, v 4·(4 + 2 + 2), output 4·4, gate, up, down 3·4·3: 84 weights.
        Assert.Equal(2 * 84, TransformerCost.BlockWeights(Config));
        // Three tokens: 2·168·3 = 1,008; scores and values over 1 + 2 + 3 keys, 2 heads of width 2, 2 layers: 2·2·(2·2)·6·2 = 192.
        Assert.Equal(1_200, TransformerCost.Blocks(Config, 0, 3));
        Assert.Equal(2 * 4 * 5 * 3, TransformerCost.Head(Config, 3));
    }

    [Theory]
    [InlineData(0, 7, null)]
    [InlineData(3, 4, null)]
    [InlineData(0, 9, 4)]
    [InlineData(2, 9, 4)]
    [InlineData(6, 9, 4)]
    [InlineData(0, 2, 4)]
    public void Blocks_are_the_multiplications_of_a_naive_transformer(int start, int end, int? window)
    {
        var config = Config with { Window = window is { } size ? new AttentionWindow(size, new([true, false])) : null, Mlp = MlpKind.Gelu };
        Assert.Equal(2 * Multiplications(config, start, end), TransformerCost.Blocks(config, start, end));
    }

    [Fact]
    public void What_is_not_read_costs_the_upper_layer_its_keys_and_values()
    {
        // With one layer, nothing else.
        Assert.Equal(3 * 2 * 4 * (2 + 2), TransformerCost.UnreadBlocks(Config with { NumLayers = 1 }, 4, 7));
        // The window of the upper layer is the one that falls away.
        var windowed = Config with { Window = new AttentionWindow(2, new([false, true])) };
        Assert.Equal(TransformerCost.Blocks(Config with { NumLayers = 1 }, 0, 9) + 9 * 32, TransformerCost.UnreadBlocks(windowed, 0, 9));
        Assert.Equal(216 + 232 + 432, TransformerCost.Prompt(Config, 3));
    }

    [Theory]
    [InlineData("A.json", 3_426_560)]
    [InlineData("B.json", 29_499_904)]
    [InlineData("gpt2-nano.json", null)]
    [InlineData("pythia-nano.json", null)]
    [InlineData("qwen3-nano.json", null)]
    public void Block_weights_are_those_of_the_layers_matrices(string file, int? all)
    {
        var config = ModelConfigFile.Read(Path.Combine(Shared.Repository, "models", file));
        var specs = ParameterLayout.Of(config, scalarHead: false);
        Assert.Equal(specs.Where(spec => spec.Name.StartsWith("layers.", StringComparison.Ordinal) && spec.Shape.Length == 2).Sum(spec => spec.Elements), TransformerCost.BlockWeights(config));
        if (all is not null)
            Assert.Equal(all.Value, BenchSettings.Parameters(config));
    }

    [Fact]
    public void Phases_by_hand()
    {
        // Blocks: 336 a token, 32 a key: positions 0…3 cost 368, 400, 432, 464, position 4 496. The head: 40 a position. A position that is not read costs half of that, and
        // 2·4·(2 + 2) = 32 for the upper layer's key and value: 216, 232, 248, 264. Of a prompt's two the first is not read, of a judged sequence all but the last.
        const double prompt = 216 + 400 + 40, decoded = 432 + 464 + 2 * 40, own = 432 + 464;
        // Two samples, or the halves of a pair, share the prompt.
        const double read = 216 + 400 + 2 * (own + 3 * 40), values = 216 + 400 + 2 * own;
        Assert.Equal(prompt + 2 * decoded, Flops(BenchPhase.Generate));
        Assert.Equal(read, Flops(BenchPhase.LogProbs));
        Assert.Equal(2 * 3 * (216 + 400 + own + 3 * 40), Flops(BenchPhase.Sft));
        Assert.Equal(2 * 3 * (216 + 232 + 2 * (248 + 264 + 496)), Flops(BenchPhase.Reward));
        Assert.Equal(2 * 4 * read, Flops(BenchPhase.Dpo));
        Assert.Equal(prompt + 2 * decoded + 4 * read, Flops(BenchPhase.Grpo));
        Assert.Equal(Flops(BenchPhase.Grpo), Flops(BenchPhase.Rloo));
        Assert.Equal(Flops(BenchPhase.Grpo) + 4 * values, Flops(BenchPhase.Ppo));
    }

    [Fact]
    public void Tokens_are_counted_as_each_phase_counts_them()
    {
        Assert.Equal(2 * 3, PhaseCost.Tokens(BenchPhase.Ppo, Shape));
        Assert.Equal(2 * 5, PhaseCost.Tokens(BenchPhase.Sft, Shape));
        Assert.Equal(2 * 2 * 5, PhaseCost.Tokens(BenchPhase.Dpo, Shape));
    }

    [Fact]
    public void Decoding_takes_the_longer_of_computing_and_reading()
    {
        // Two samples at positions 2 and 3. Weights: (168 + 20)·4 = 752 bytes; keys and values: 2 layers · 2 · 2 numbers of 3 bytes = 24 bytes a key and sample.
        const double prompt = 216 + 400 + 40;
        var flops = new[] { 2 * (432.0 + 40), 2 * (464.0 + 40) };
        var bytes = new[] { 752 + 2 * 3 * 24.0, 752 + 2 * 4 * 24.0 };
        Assert.Equal(752, TransformerCost.WeightBytes(Config));
        Assert.Equal(Flops(BenchPhase.Generate), Least(BenchPhase.Generate, 1, 1e9), 9);
        Assert.Equal(prompt / 1e9 + bytes.Sum(), Least(BenchPhase.Generate, 1e9, 1), 9);
        // 944 operations and 896 bytes in the first step, 1,008 and 944 in the second: at equal speeds it computes longer than it reads.
        Assert.Equal(prompt + flops.Sum(), Least(BenchPhase.Generate, 1, 1), 9);
        Assert.Equal(prompt + bytes.Sum() / 0.5, Least(BenchPhase.Generate, 1, 0.5), 9);
        Assert.Equal(Flops(BenchPhase.Sft) / 7, Least(BenchPhase.Sft, 7, 1e-9), 9);
    }

    private static double Flops(BenchPhase phase) => PhaseCost.Flops(phase, Config, Shape);

    private static double Least(BenchPhase phase, double flopsPerSecond, double bytesPerSecond) => PhaseCost.LeastSeconds(phase, Config, Shape, flopsPerSecond, bytesPerSecond);

    private static long Multiplications(ModelConfig config, int start, int end)
    {
        long count = 0;
        for (var position = start; position < end; position++)
        {
            for (var layer = 0; layer < config.NumLayers; layer++)
            {
                foreach (var (rows, columns) in new[] { (4, 4), (2, 4), (2, 4), (4, 4), (3, 4), (4, 3) })
                    count += rows * columns;
                for (var key = 0; key <= position; key++)
                {
                    if (position - key < config.WindowOf(layer))
                        count += 2 * config.NumHeads * config.HeadDim;
                }
            }
        }

        return count;
    }
}

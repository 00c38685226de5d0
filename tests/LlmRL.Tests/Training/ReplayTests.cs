using LlmRL.Faults;
using LlmRL.Models;
using LlmRL.Tests.Runs;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>A run whose loss is not finite leaves its batch behind, and replaying it names the culprit.</summary>
[Collection(TensorCollection.Name)]
public sealed class ReplayTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly List<string> said = [];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_row_to_blame_is_named()
    {
        // A margin beyond float32 makes one pair's loss infinite.
        var rows = Enumerable.Range(0, 4).Select(i => $$"""{"prompt": "q{{i}}", "chosen": "a", "rejected": "b", "margin": {{(i == 2 ? "1e300" : "0.5")}}}""");
        File.WriteAllLines(folder["pairs.jsonl"], rows);
        var run = new SmallRun(folder.Path, $"  - reward_model: {{ name: rm, data: {{ path: {folder["pairs.jsonl"]} }}, steps: 1, batch_size: 4 }}");
        var message = Assert.Throws<NonFiniteException>(() => run.Run()).Message;
        var batch = run.Directory.NonFinite("rm", 1);
        Assert.Contains($"llmrl replay {batch}", message);
        Assert.Contains("stage rm, step 1: the loss is ", message);
        Assert.True(Replay.Run(batch, CPU, said.Add));
        var first = said.Find(line => line.StartsWith('✗'));
        Assert.NotNull(first);
        Assert.Contains("loss of row", first);
        Assert.Contains("pairs.jsonl:3", first);
        Assert.DoesNotContain(said, line => line.StartsWith('✗') && line.Contains("weight", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("advantage", "advantages of completion 1: 1 of 3 numbers are not finite, the first at 2: NaN")]
    [InlineData("weight", "policy: weight model.norm.weight: 32 of 32")]
    [InlineData("nothing", "not reproduced")]
    public void Inputs_and_weights_are_looked_at_first(string fault, string text)
    {
        var run = new SmallRun(folder.Path, """
              - sft: { name: sft, data: { generator: arithmetic, count: 30 }, steps: 1, batch_size: 2 }
              - grpo: { name: grpo, policy: sft, data: { generator: arithmetic, split: rl, count: 30 }, reward: math, steps: 1, num_generations: 2, prompts_per_step: 2, max_completion_length: 4 }
            """);
        run.Run(set: ["stages.grpo.beta=0"]);
        var place = folder["batch"];
        Directory.CreateDirectory(place);
        File.Copy(run.RecipeFile, Path.Combine(place, SavedBatch.RecipeName));
        using (var model = ModelFolder.Load(run.Directory.Final("sft"), trainable: false))
        {
            using var guard = no_grad();
            if (fault == "weight")
                model.Parameters[model.Parameters.Specs.First(spec => spec.Parts[0].HuggingFaceName == "model.norm.weight").Name].fill_(float.NaN);
            ModelFolder.Save(model, Path.Combine(place, SavedBatch.PolicyFolder), null);
        }

        SavedTrajectory Row(float last) => new([65, 66], [67, 68, 69], [-1, -1, -1], [], [], [], [0.5f, 0.5f, last], 1, true, true, "");
        new SavedBatch { Stage = "grpo", Step = 3, Reason = "test", MicroBatchTokens = 64, Trajectories = [Row(0.5f), Row(fault == "advantage" ? float.NaN : -0.5f)] }.Write(place);
        Assert.Equal(fault != "nothing", Replay.Run(place, CPU, said.Add));
        Assert.Contains(text, said.Find(line => line.StartsWith('✗')) ?? said[^1]);
        if (fault == "advantage")
        {
            Assert.Contains(said, line => line.StartsWith("✗ the whole loss", StringComparison.Ordinal));
            Assert.Contains(said, line => line.StartsWith("✗ policy: gradient of", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_folder_without_a_batch_is_refused() =>
        Assert.Contains("non-finite/", Assert.Throws<BadInputException>(() => Replay.Run(folder.Path, CPU, said.Add)).Message);
}

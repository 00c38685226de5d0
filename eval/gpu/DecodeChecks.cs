using LlmRL.Models;
using LlmRL.Native;
using LlmRL.Rollouts;
using LlmRL.Rollouts.Device;
using LlmRL.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Gpu;

/// <summary>Compares decoding on a device with the CPU's fused decoder, and with itself where steps are not recorded as graphs.</summary>
/// <param name="device">What is compared.</param>
/// <param name="load">A model by its architecture's name: on the device, or on the CPU.</param>
internal sealed class DecodeChecks(Device device, Func<bool, string, Transformer> load)
{
    private const double Tolerance = 1e-4;
    private const int Group = 6, Slots = 10, LongCompletion = 150, Rounds = 6, WarmUps = 2;

    private static readonly SampleKey Key = new(5, 1);

    /// <summary>The same tokens as the CPU's decoder.</summary>
    public Finding Tokens(string architecture) => Tokens(architecture, [new SamplingOptions { MaxNewTokens = 40 }]);

    /// <summary>The same tokens under every option.</summary>
    public Finding Options(string architecture) => Tokens(architecture,
    [
        new() { Temperature = 0, MaxNewTokens = 20 }, new() { TopK = 20, Temperature = 0.8, MaxNewTokens = 20 }, new() { TopP = 0.9, MaxNewTokens = 20 }, new() { MinP = 0.02, MaxNewTokens = 20 },
        new() { RepetitionPenalty = 1.3, MaxNewTokens = 20 }, new() { StopIds = [.. Enumerable.Range(0, 40)], MinNewTokens = 4, MaxNewTokens = 20 },
    ]);

    /// <summary>Recorded log-probabilities are those of training on the same device.</summary>
    public Finding LogProbs(string architecture)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var model = load(true, architecture);
        using var engine = new DeviceRolloutEngine(model, maxSlots: Slots);
        var prompts = Prompts(model);
        Trajectory[] trajectories = [.. engine.Generate(prompts, Group, new SamplingOptions { MaxNewTokens = LongCompletion }, Key).Select(completion => new Trajectory
        {
            Example = new Data.Example { Prompt = "" },
            Prompt = prompts[completion.PromptIndex],
            Completion = completion,
            Text = "",
        })];
        using var batch = new PolicyBatch(trajectories, device, BatchShare.Of(trajectories)) { Metrics = new BatchMetrics() };
        using var forward = batch.Forward(model, temperature: 1);
        var largest = 0.0;
        PolicyBatch.Unpad(batch.LogProbs, trajectories, (trajectory, values) => largest = Math.Max(largest, CheckInputs.Difference(trajectory.LogProbs, values)));
        return new("largest difference of a log-probability recorded on the device from training's", largest, Tolerance);
    }

    /// <summary>A step that was recorded does what its operators do.</summary>
    public Finding Graphs(string architecture)
    {
        using var model = load(true, architecture);
        var reasons = new List<string>();
        using var recording = new DeviceRolloutEngine(model, warn: reasons.Add, maxSlots: Slots);
        using var calling = new DeviceRolloutEngine(model, maxSlots: Slots) { UsesGraphs = false };
        var options = new SamplingOptions { MaxNewTokens = LongCompletion, TopP = 0.95, StopIds = [1, 2, 3] };
        // The second round launches what the first has recorded.
        var differing = Enumerable.Range(0, 2).Sum(round =>
        {
            var (one, other) = (Sample(recording, round), Sample(calling, round));
            return one.Zip(other).Sum(pair => Math.Abs(pair.First.Tokens.Length - pair.Second.Tokens.Length) + pair.First.Tokens.Zip(pair.Second.Tokens).Count(tokens => tokens.First != tokens.Second));
        });
        if (device.type == DeviceType.CUDA && DeviceGraph.IsSupported && recording.RecordedGraphs < 2)
            return new($"{recording.RecordedGraphs} graphs recorded: {string.Join("; ", reasons)}", 1, 0);
        var note = device.type != DeviceType.CUDA ? "no GPU: nothing recorded" : DeviceGraph.IsSupported ? $"{recording.RecordedGraphs} recorded" : "the shim was built without CUDA's headers";
        return new($"tokens that differ with graphs and without ({note})", differing, 0);

        IReadOnlyList<Completion> Sample(IRolloutEngine engine, int round) => engine.Generate(Prompts(model), Group, options, Key with { Step = (ulong)round });
    }

    /// <summary>Sampling again takes no more memory.</summary>
    public Finding Memory(string architecture)
    {
        using var model = load(true, architecture);
        using var engine = new DeviceRolloutEngine(model, maxSlots: Slots);
        var (tensors, free) = (0L, 0L);
        for (var round = 0; round < Rounds; round++)
        {
            if (round == WarmUps)
                (tensors, free) = (Tensor.TotalCount, Free());
            engine.Generate(Prompts(model), Group, new SamplingOptions { MaxNewTokens = LongCompletion }, Key);
        }

        var grown = Tensor.TotalCount - tensors;
        return grown != 0 ? new("tensors left over", grown, 0) : new("megabytes of GPU memory taken by sampling again", (free - Free()) / 1e6, 16);
    }

    private long Free() => device.type == DeviceType.CUDA ? cuda.mem_get_info().Free : 0;

    private Finding Tokens(string architecture, SamplingOptions[] all)
    {
        using var here = load(false, architecture);
        using var there = load(true, architecture);
        using var cpu = new RolloutEngine(here.DecoderWeights());
        using var engine = new DeviceRolloutEngine(there, maxSlots: Slots);
        var prompts = Prompts(here);
        var (wrong, parted, difference) = (new List<string>(), 0, 0.0);
        foreach (var options in all)
        {
            var comparison = new CompletionComparison(here, prompts, options, Key);
            wrong.AddRange(comparison.Compare(cpu.Generate(prompts, Group, options, Key), engine.Generate(prompts, Group, options, Key)));
            (parted, difference) = (parted + comparison.Parted, Math.Max(difference, comparison.LogProbDifference));
        }

        return wrong.Count > 0
            ? new($"completions with other tokens than on the CPU ({wrong[0]})", wrong.Count, 0)
            : new($"largest difference of a log-probability from the CPU's, tokens alike but in {parted} of {all.Length * prompts.Length * Group} completions, where rounding decides", difference, Tolerance);
    }

    private static int[][] Prompts(Transformer model) => [.. Enumerable.Range(0, 4).Select(i => CheckInputs.Tokens(model.Config.VocabSize, 1 + 7 * i, (ulong)(400 + i)))];
}
